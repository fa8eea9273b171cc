#!/usr/bin/env python3
"""Writes config/schema_fields.inc from a table of API facts.

    config/make_schema_fields.py FACTS.tsv > config/schema_fields.inc

FACTS.tsv has one row a field: group/version, type, field, protobuf number, type of the field, shape (list, map or
empty), "required", and facts such as listType=map mapKeys=a+b patch=merge,retainKeys mergeKey=a not-in-json. Taken are
the ROOTS below and every type that can be reached from them. To serve another kind, add it to ROOTS (and to the
kinds in config/schema.cpp) and run the script again; the result is checked in and read by people.
"""
import sys

ROOTS = """
core.v1: Pod PodList PodTemplateSpec Node NodeList Namespace NamespaceList Event EventList Binding
core.v1: ConfigMap ConfigMapList Secret SecretList ServiceAccount ServiceAccountList
core.v1: PersistentVolume PersistentVolumeList PersistentVolumeClaim PersistentVolumeClaimList
events.v1: Event EventList
coordination.v1: Lease LeaseList
policy.v1: Eviction
storage.v1: StorageClass StorageClassList
authentication.v1: SelfSubjectReview TokenReview TokenRequest
authorization.v1: LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview
meta.v1: Status DeleteOptions ListOptions GetOptions CreateOptions UpdateOptions PatchOptions LabelSelector
"""

# Types with a text of their own in JSON: what the value must look like is code, not a table.
SPECIAL = {
    "meta.v1.Time": "time",
    "meta.v1.MicroTime": "micro_time",
    "meta.v1.FieldsV1": "any",
    "RawExtension": "any",
    "Quantity": "quantity",
    "IntOrString": "int_or_string",
}
SCALARS = {"string": "string", "bool": "boolean", "int32": "int32", "int64": "int64", "bytes": "bytes"}


def read(path):
    types = {}
    with open(path, encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            group, name, field, number, kind, shape, required, facts = (line.rstrip("\n").split("\t") + [""] * 8)[:8]
            group = group.replace("/", ".")
            facts = dict(f.split("=", 1) if "=" in f else (f, "1") for f in facts.split())
            types.setdefault(f"{group}.{name}", []).append((group, field, int(number), kind, shape, required, facts))
    return types


def element(kind):
    return kind[len("map<string, "):-1] if kind.startswith("map<") else kind


def resolve(types, group, kind):
    """(value kind, full type name or "")"""
    kind = element(kind)
    if kind in SCALARS:
        return SCALARS[kind], ""
    full = kind if kind.count(".") == 2 else f"{group}.{kind}"
    for name in (full, kind):
        if name in SPECIAL:
            return SPECIAL[name], ""
    if kind == "ExtraValue":
        return "string_list", ""
    if full not in types:
        sys.exit(f"unknown type {kind} in {group}")
    return "object", full


def main():
    types = read(sys.argv[1])
    todo = []
    for line in ROOTS.strip().splitlines():
        group, names = line.split(":")
        todo += [f"{group}.{name}" for name in names.split()]
    # Options and the selector have rows only where the facts know them.
    todo = [name for name in todo if name in types]
    seen = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for group, _, _, kind, _, _, _ in types[name]:
            target = resolve(types, group, kind)[1]
            if target:
                todo.append(target)
    print("// One row a field, sorted by type, in the order of declaration. Written by config/make_schema_fields.py.")
    print("// type, field, protobuf number, value kind, object type, shape, flags, list keys, merge key")
    for name in sorted(seen):
        for group, field, number, kind, shape, required, facts in types[name]:
            value, target = resolve(types, group, kind)
            inlined = "not-in-json" in facts
            if inlined and not target and field != "uID":
                sys.exit(f"{name}.{field} is inlined but no object")
            flags = []
            if required:
                flags.append("required")
            if inlined and target:
                flags.append("inlined")
            if facts.get("listType") == "set":
                flags.append("set")
            if facts.get("listType") == "atomic" or facts.get("mapType") == "atomic":
                flags.append("atomic")
            patch = facts.get("patch", "").split(",")
            if "merge" in patch:
                flags.append("merge")
            if "retainKeys" in patch:
                flags.append("retain_keys")
            if "replace" in patch:
                flags.append("replace")
            if field == "uID":
                field = "uid"
            shape = shape or "single"
            flags = " | ".join("f_" + f for f in flags) or "0"
            keys = facts.get("mapKeys", "").replace("+", ",")
            merge_key = facts.get("mergeKey", "")
            print(f'{{"{name}", "{field}", {number}, {value}, "{target}", {shape}, {flags}, "{keys}", "{merge_key}"}},')


main()
