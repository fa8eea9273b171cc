// Server-side apply: PATCH with application/apply-patch+yaml. What is not there is created.
#include "api/service_accounts.hpp"
#include "api/write.hpp"
#include "config/json.hpp"
#include "config/json_access.hpp"
#include "config/yaml.hpp"

namespace podium::api {
namespace {

namespace json = boost::json;

constexpr int max_attempts = 5;

/// 409 with a cause a field. Source: managedfields.NewConflictError.
failure apply_conflict(const std::vector<field_conflict>& conflicts) {
  json::array causes;
  auto text = "Apply failed with " + std::to_string(conflicts.size())
              + (conflicts.size() == 1 ? " conflict: conflict with " : " conflicts: ");
  std::string_view manager;
  for (auto& c : conflicts) {
    causes.push_back(
        {{"reason", "FieldManagerConflict"}, {"message", "conflict with " + c.manager}, {"field", c.path}});
    if (conflicts.size() == 1) {
      text += c.manager + ": " + c.path;
      continue;
    }
    if (c.manager != manager)
      text += (manager.empty() ? "" : "\n") + std::string{"conflicts with "} + c.manager + ":";
    text += "\n- " + c.path;
    manager = c.manager;
  }
  auto status = config::make_status(409, "Conflict", text);
  status.body.as_object()["details"] = json::object{{"causes", std::move(causes)}};
  return {std::move(status)};
}

/// Kubernetes answers 500 without a reason to what does not fit the schema.
failure unfit(const call& c, const std::vector<std::string>& problems) {
  auto gvk = c.res().gvk();
  auto text = "failed to create typed patch object (" + c.to.ns + "/" + c.to.name + "; " + gvk.group + "/"
              + gvk.version + ", Kind=" + gvk.kind + "): ";
  if (problems.size() > 1) text += "errors:";
  for (auto& p : problems)
    text += problems.size() > 1 ? "\n  " + p : p;
  auto status = config::make_status(500, "", text);
  status.body.as_object().erase("reason");
  return {std::move(status)};
}

/// Reads the body: YAML, of which JSON is a part; what looks like JSON and is none may be YAML's flow style.
/// Keys given twice are judged by fieldValidation.
outcome<json::value> read_configuration(call& c, config::field_validation mode) {
  auto& text = c.request().body;
  auto start = text.find_first_not_of(" \t\r\n");
  bool is_json = start != std::string::npos && text[start] == '{';
  config::document document;
  auto parsed_json = is_json ? config::parse_json(text) : make_error(errc::bad_request, "");
  if (parsed_json) {
    document = std::move(*parsed_json);
  } else {
    auto parsed = config::parse_yaml(text, {}, yaml_limits);
    if (!parsed) return bad_request("error decoding YAML: " + message_of(parsed.error()));
    if (parsed->size() != 1) return bad_request("error decoding YAML: one document is expected");
    document = std::move(parsed->front());
  }
  if (!document.root.is_object()) return bad_request("error decoding YAML: an object is expected");
  if (mode == config::field_validation::ignore) return std::move(document.root);
  for (auto& path : document.duplicates) {
    auto problem = "error converting YAML to JSON: yaml: unmarshal errors:\n  line "
                   + std::to_string(document.locate(path).key.line) + ": key \""
                   + path.substr(path.rfind('.') + 1) + "\" already set in map";
    if (mode == config::field_validation::strict)
      return bad_request("error strict decoding YAML: " + problem);
    c.warnings.push_back(problem);
  }
  return std::move(document.root);
}

/// What can be said against a configuration before the object is looked at; fills in its identity.
std::optional<failure> check_configuration(const call& c, const config::schema_type& type,
                                           json::value& configuration) {
  auto given =
      config::make_gvk(config::text_at(configuration, "apiVersion"), config::text_at(configuration, "kind"));
  if (given != c.res().gvk())
    return bad_request("invalid object type: " + given.group + "/" + given.version + ", Kind=" + given.kind);
  if (auto* meta = config::object_at(configuration, "metadata"))
    if (auto* managers = meta->if_contains("managedFields"); managers && !managers->is_null())
      return bad_request("metadata.managedFields must be nil");
  if (auto problems = config::configuration_problems(configuration, type); !problems.empty())
    return unfit(c, problems);
  return adopt_identity(c, configuration.get_object(), true);
}

struct apply_work {
  call_ptr c;
  json::value configuration;
  write_options options;
  field_write by;
  write_turns::turn turn;

  static void attempt(const std::shared_ptr<apply_work>& self, int left);

private:
  /// The applied document with its defaults, or why not. `current` is null when there is no object yet.
  outcome<json::value> next(const object* current) const;
  std::optional<failure> check_identity(const json::value& document, const object* current) const;
  static void create(const std::shared_ptr<apply_work>& self, json::value document, int left);
  static void update(const std::shared_ptr<apply_work>& self, const object& current, json::value document,
                     int left);
};

std::optional<failure> apply_work::check_identity(const json::value& document, const object* current) const {
  auto& object = document.get_object();
  auto uid = metadata_text(object, "uid"), version = metadata_text(object, "resourceVersion");
  if (!current) {
    if (!uid.empty())
      return conflict(c->res(), c->to.name,
                      "uid mismatch: the provided object specified uid " + uid
                          + ", and no existing object was found");
    return version.empty() || version == "0" ? std::nullopt : std::optional{conflict(c->res(), c->to.name)};
  }
  if (!version.empty() && version != "0" && version != std::to_string(current->resource_version()))
    return conflict(c->res(), c->to.name);
  if (uid.empty() || uid == current->uid()) return {};
  return conflict(c->res(), c->to.name,
                  "Precondition failed: UID in precondition: " + uid
                      + ", UID in object meta: " + current->uid());
}

outcome<json::value> apply_work::next(const object* current) const {
  auto before = current ? shown_form(c->res(), *current) : empty_document(*by.type, by.gvk);
  auto result = apply_configuration(before, configuration, by, options.force);
  if (!result) return failure{config::make_status(result.error())};
  if (!result->conflicts.empty()) return apply_conflict(result->conflicts);
  auto document = std::move(result->document);
  if (auto f = check_identity(document, current)) return std::move(*f);
  auto managers = document.at("metadata").at("managedFields");
  auto f = current ? check_update(*c, part_of(*c), before, document) : check_create(*c, document);
  if (f) return std::move(*f);
  metadata_of(document.as_object())["managedFields"] = std::move(managers);
  if (current) keep_times(before, document);
  return document;
}

void apply_work::create(const std::shared_ptr<apply_work>& self, json::value document, int left) {
  auto& c = self->c;
  create_object request{c->key(), make_document(stored_form(c->res(), std::move(document))),
                        self->options.dry_run};
  ask_registry(c, std::move(request), [self, left](caf::expected<delete_result> result) {
    if (result) return self->c->answer_object(201, result->object);
    if (code_of(result.error()) == errc::already_exists && left > 1)
      return next_step(self->c, [&] { attempt(self, left - 1); });
    self->c->fail(result.error());
  });
}

void apply_work::update(const std::shared_ptr<apply_work>& self, const object& current, json::value document,
                        int left) {
  auto& c = self->c;
  update_object request{c->key(),
                        make_document(stored_form(c->res(), std::move(document))),
                        part_of(*c),
                        current.uid(),
                        current.resource_version(),
                        self->options.dry_run};
  bool pinned = !metadata_text(self->configuration.get_object(), "resourceVersion").empty();
  ask_registry(c, std::move(request), [self, pinned, left](caf::expected<delete_result> result) {
    if (result) return self->c->answer_object(200, result->object);
    auto again = code_of(result.error()) == errc::conflict || code_of(result.error()) == errc::not_found;
    if (again && !pinned && left > 1) return next_step(self->c, [&] { attempt(self, left - 1); });
    self->c->fail(result.error());
  });
}

void apply_work::attempt(const std::shared_ptr<apply_work>& self, int left) {
  auto& c = self->c;
  auto current = c->snapshot()->find(c->to.ns, c->to.name);
  if (!current && c->to.sub) return c->fail(not_found(c->res(), c->to.name));
  // What is not there is created, and who may patch may not therefore create.
  if (!current && !may_proceed(c, "create")) return;
  auto made = self->next(current ? &*current : nullptr);
  if (auto* f = std::get_if<failure>(&made)) return c->fail(*f);
  if (current) return update(self, *current, std::move(std::get<json::value>(made)), left);
  auto document = std::make_shared<json::value>(std::move(std::get<json::value>(made)));
  with_service_account(c, *document, [self, document, left](const object_ref& account) {
    finish_new(*self->c, *document, account);
    create(self, std::move(*document), left);
  });
}

} // namespace

void serve_apply(const call_ptr& c) {
  auto options = read_write_options(*c, options_kind::apply);
  if (auto* f = std::get_if<failure>(&options)) return c->fail(*f);
  auto work = std::make_shared<apply_work>();
  work->c = c;
  work->options = std::move(std::get<write_options>(options));
  work->by = writer_of(*c, work->options);
  auto configuration = read_configuration(*c, work->options.validation);
  if (auto* f = std::get_if<failure>(&configuration)) return c->fail(*f);
  work->configuration = std::move(std::get<json::value>(configuration));
  if (auto f = check_configuration(*c, *work->by.type, work->configuration)) return c->fail(*f);
  in_turn(c, [work](write_turns::turn turn) {
    work->turn = std::move(turn);
    apply_work::attempt(work, max_attempts);
  });
}

} // namespace podium::api
