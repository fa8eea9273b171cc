// The shapes of names, labels, ports and paths, with the sentences Kubernetes says when one does not fit.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podium::config {

/// What is wrong with a text; empty when nothing is.
using format_problems = std::vector<std::string>;

/// RFC 1123 subdomain of at most 253 characters: names of pods, nodes, service accounts.
format_problems check_dns_subdomain(std::string_view text);

/// RFC 1123 label of at most 63 characters: names of namespaces, containers, volumes.
format_problems check_dns_label(std::string_view text);

/// Any name that can stand in a path: not "." or "..", without '/' and '%'.
format_problems check_path_segment(std::string_view text);

/// `[prefix/]name`: keys of labels, annotations, taints, conditions.
format_problems check_qualified_name(std::string_view text);

/// Values of labels.
format_problems check_label_value(std::string_view text);

/// Names of environment variables: printable ASCII but '='.
format_problems check_env_name(std::string_view text);

/// Names of ports: at most 15 of a-z, 0-9 and '-', with a letter.
format_problems check_port_name(std::string_view text);

/// 1 to 65535.
format_problems check_port_number(int64_t port);

/// Names of HTTP headers.
format_problems check_header_name(std::string_view text);

/// An IPv4 or IPv6 address.
format_problems check_ip(std::string_view text);

/// `address/bits`.
format_problems check_cidr(std::string_view text);

/// Keys of ConfigMaps and Secrets.
format_problems check_config_key(std::string_view text);

/// A path without "..".
format_problems check_no_backsteps(std::string_view text);

/// A path below another: not absolute, without "..".
format_problems check_relative_path(std::string_view text);

/// The same, and its first part does not start with "..": what a volume of keys keeps for itself.
format_problems check_unreserved_path(std::string_view text);

} // namespace podium::config
