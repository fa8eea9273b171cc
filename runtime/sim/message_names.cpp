#include "runtime/sim/message_names.hpp"
#include "core/random.hpp"

#include <caf/local_actor.hpp>
#include <caf/type_nr.hpp>
#include <cstdlib>
#include <cxxabi.h>
#include <memory>

namespace podium {

namespace {

std::string plain_name(caf::rtti_pair type) {
  // CAF numbers its own types and gives the others' type_info.
  if (!type.second) {
    std::string name = caf::numbered_type_names[type.first - 1];
    return name.starts_with('@') ? name.substr(1) : name;
  }
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> text{
      abi::__cxa_demangle(type.second->name(), nullptr, nullptr, &status), &std::free};
  std::string name = text ? text.get() : type.second->name();
  // Only the outermost name loses its namespace; template arguments keep theirs.
  auto head = name.substr(0, name.find('<'));
  auto colon = head.rfind("::");
  return colon == std::string::npos ? name : name.substr(colon + 2);
}

} // namespace

const message_names::entry& message_names::of(const caf::type_erased_tuple& content, size_t position) {
  auto type = content.type(position);
  const void* key = type.second ? static_cast<const void*>(type.second)
                                : static_cast<const void*>(&caf::numbered_type_names[type.first - 1]);
  auto [i, fresh] = by_type_.try_emplace(key);
  if (fresh) {
    i->second.name = plain_name(type);
    i->second.hash = fnv1a(i->second.name);
  }
  return i->second;
}

std::string_view message_names::of(const caf::mailbox_element& element) {
  auto& content = element.content();
  return content.empty() ? std::string_view{} : std::string_view{of(content, 0).name};
}

std::string_view sender_path(const caf::strong_actor_ptr& sender) {
  if (!sender) return {};
  auto* local = dynamic_cast<caf::local_actor*>(sender->get());
  return local ? std::string_view{local->name()} : std::string_view{"?"};
}

} // namespace podium
