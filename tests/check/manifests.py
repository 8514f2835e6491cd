# SPDX-License-Identifier: BSD-2-Clause
"""manifests.py BINARY VERSION DIR: checks the documents of DIR/*.yaml and deploy/compose.

By the types of the Kubernetes API, as TypeScript: a member that is not in them, or of another type, is an error of its
compiler. And by what is ours: no shell, the privileges of docs/containers.md, options that BINARY has, a configuration
that it takes, images with a version. Then each kind of mistake is made on purpose, and has to be found.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

NPM = pathlib.Path("build/npm").resolve()
PAGE = pathlib.Path("docs/containers.md").read_text(encoding="utf-8")
OURS = "apoptosis"  # the image
# Groups of the API, as directories of kubernetes-models.
GROUP = {"apps": "apps/", "batch": "batch/", "": ""}

failed = False


def report(name, remedy, bad):
    """One line, as those of the other checks."""
    global failed
    if bad:
        print("\n".join(bad), file=sys.stderr)
        failed = True
    print(f"FAIL {name}: {remedy}" if bad else f"ok {name}", flush=True)


def documented(heading):
    """The capabilities that the last command in this part of the page takes."""
    part = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", PAGE, re.M | re.S).group(1)
    return set(re.findall(r"--cap-add ([A-Z_,]+)", part)[-1].split(","))


class Types:
    """Documents as literals of their types, which one run of the compiler checks."""

    def __init__(self):
        self.lines, self.names, self.kinds = [], [], {}

    def add(self, name, document):
        group, _, version = document["apiVersion"].rpartition("/")
        kind = document["kind"]
        self.kinds[kind] = f"{GROUP[group]}{version}/{kind}"
        self.names.append(name)
        self.lines.append(f"export const d{len(self.names)}: I{kind} = {json.dumps(document)};")

    def errors(self):
        """name: what the compiler says of it; "" is what is about none of them."""
        imports = [f'import type {{ I{k} }} from "kubernetes-models/{p}";' for k, p in self.kinds.items()]
        with tempfile.TemporaryDirectory(dir=NPM) as directory:
            source = pathlib.Path(directory) / "documents.mts"
            source.write_text("\n".join(imports + self.lines), encoding="utf-8")
            said = subprocess.run(
                ["tsc", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext",
                 "--moduleResolution", "nodenext", "--typeRoots", str(NPM / "none"), source],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        found = {}
        for line in said.stdout.splitlines():
            at = re.match(r".*documents\.mts\((\d+),\d+\): (.*)", line)
            number = int(at.group(1)) - len(imports) if at else 0
            found.setdefault(self.names[number - 1] if number > 0 else "", []).append(at.group(2) if at else line)
        if said.returncode and not found:
            found[""] = [f"tsc ended with {said.returncode}"]
        return found


def pod_of(document):
    """The spec of the pod that a document makes, or None."""
    if document["kind"] == "Pod":
        return document["spec"]
    return document.get("spec", {}).get("template", {}).get("spec")


class Ours:
    """What the API does not know of."""

    def __init__(self, binary, version):
        self.binary, self.version = binary, version
        self.options, self.capabilities = {}, {
            "daemon": documented("The host's daemon"),
            "watch": documented("Sidecar"),
            "run": documented("Entry point"),
        }

    def has_option(self, command, option):
        if command not in self.options:
            said = subprocess.run([self.binary, command, "--help"], capture_output=True, text=True, check=False)
            self.options[command] = set(re.findall(r"--[a-z][a-z-]*", said.stdout)) if said.returncode == 0 else None
        known = self.options[command]
        return known is not None and (option is None or option in known)

    def words(self, words):
        """Our own command line, from the command on."""
        command, *rest = words or ["doctor"]
        if not self.has_option(command, None):
            return [f"apoptosis has no command {command}"]
        if "--" in rest:
            rest = rest[: rest.index("--")]
        named = [word.split("=")[0] for word in rest if word.startswith("--")]
        return [f"apoptosis {command} has no {option}" for option in named if not self.has_option(command, option)]

    def image(self, image):
        name, _, tag = image.rpartition(":")
        if not name or tag == "latest":
            return [f"image {image} has no version"]
        return [f"image {image}: this is {self.version}"] if name == OURS and tag != self.version else []

    def container(self, spec, pod):
        """Of one container: what is wrong with it."""
        command, args = spec.get("command", []), spec.get("args", [])
        security = spec.get("securityContext", {})
        name = spec["image"].rpartition(":")[0]
        bad = self.image(spec["image"])
        execs = [spec[p]["exec"]["command"] for p in spec if p.endswith("Probe") and "exec" in spec[p]]
        for words in [command, *execs]:
            if words and words[0].split("/")[-1] in ("sh", "bash", "ash", "dash"):
                bad.append(f"{words[0]}: there is no shell in the image")
        is_ours = name.endswith(OURS)
        runs = command[1:] + args if command and command[0] == "apoptosis" else args if is_ours else None
        if is_ours and command:
            bad.append("the entry point of the image is apoptosis")
        if is_ours:
            for words in execs:
                bad += self.words(words[1:]) if words[0] == "/usr/bin/apoptosis" else [f"no {words[0]} in the image"]
        if runs is None:
            return bad
        bad += self.words(runs)
        wanted = self.capabilities.get(runs[0] if runs else None)
        if set(security.get("capabilities", {}).get("add", [])) != wanted:
            bad.append(f"its capabilities are not {sorted(wanted or [])}")
        if is_ours and security.get("capabilities", {}).get("drop") != ["ALL"]:
            bad.append("it keeps capabilities that it does not name")
        if security.get("privileged"):
            bad.append("it is privileged")
        if "memory" not in spec.get("resources", {}).get("limits", {}):
            bad.append("it has no memory limit")
        return bad + self.mounts(spec, pod)

    def mounts(self, spec, pod):
        volumes = {v["name"] for v in pod.get("volumes", [])}
        return [f"there is no volume {m['name']}" for m in spec.get("volumeMounts", []) if m["name"] not in volumes]

    def config(self, data):
        bad = []
        for name, text in data.items():
            with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(text)
                file.flush()
                said = subprocess.run([self.binary, "check-config", "-c", file.name], capture_output=True, text=True,
                                      check=False)
                if said.returncode:
                    bad.append(f"{name}: {said.stdout}{said.stderr}".strip())
        return bad

    def document(self, document):
        if document["kind"] == "ConfigMap":
            return self.config(document["data"])
        pod = pod_of(document)
        if not pod:
            return []
        bad = []
        for container in pod.get("initContainers", []) + pod["containers"]:
            bad += [f"{container['name']}: {line}" for line in self.container(container, pod)]
        policy = document["spec"].get("podFailurePolicy")
        if policy and pod.get("restartPolicy") != "Never":
            bad.append("podFailurePolicy asks for restartPolicy Never")
        names = {c["name"] for c in pod["containers"]}
        for rule in policy["rules"] if policy else []:
            codes = rule.get("onExitCodes")
            if codes and (codes.get("containerName") not in names or codes["values"] != sorted(set(codes["values"]))):
                bad.append("onExitCodes is for a container that is not there, or its values are not in order")
        return bad


def load(directory):
    """name: document, of all files."""
    return {
        f"{file.name}:{document['kind']}/{document['metadata']['name']}": document
        for file in sorted(pathlib.Path(directory).glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if document
    }


def check_same_pod(documents):
    """The chart and the base are two ways to one pod."""
    def spec(prefix):
        found = [d for n, d in documents.items() if n.startswith(prefix) and d["kind"] == "DaemonSet"]
        text = json.dumps(found[0]["spec"]["template"]["spec"] | {"updateStrategy": found[0]["spec"]["updateStrategy"]})
        return json.loads(re.sub(r"apoptosis-[a-z0-9]{10}\b", "apoptosis", text))

    base, chart = spec("kustomize-base"), spec("helm-plain")
    chart["containers"][0].pop("imagePullPolicy")
    return [f"{key}: {json.dumps(base.get(key))} in the base, {json.dumps(chart.get(key))} in the chart"
            for key in sorted(base.keys() | chart.keys()) if base.get(key) != chart.get(key)]


def check_compose(ours):
    compose = yaml.safe_load(pathlib.Path("deploy/compose/compose.yaml").read_text(encoding="utf-8"))
    sidecar = compose["services"]["sidecar"]
    bad = [line for service in compose["services"].values() for line in ours.image(service["image"])]
    bad += ours.words(sidecar["command"])
    if set(sidecar["cap_add"]) != ours.capabilities["watch"] or sidecar["cap_drop"] != ["ALL"]:
        bad.append(f"the capabilities of the sidecar are not {sorted(ours.capabilities['watch'])}")
    if "/sys/fs/cgroup:/sys/fs/cgroup:ro" not in sidecar["volumes"]:
        bad.append("the sidecar does not see the host's cgroups")
    return bad


def container_of(document):
    pod = pod_of(document)
    return (pod.get("initContainers") or pod["containers"])[0]


# Of the daemon, by its types.
MISTYPED = [
    lambda d: d["spec"]["template"]["spec"].update(hostPid=True),
    lambda d: d["spec"]["template"]["spec"].update(hostPID="yes"),
    lambda d: d["spec"].pop("selector"),
    lambda d: d.update(apiVersion="apps/v1", knd="DaemonSet"),
    lambda d: container_of(d)["securityContext"]["capabilities"].update(added=[]),
    lambda d: container_of(d)["livenessProbe"]["exec"].update(command="apoptosis status"),
    lambda d: container_of(d).pop("name"),
    lambda d: d["spec"]["template"]["spec"]["volumes"][1]["hostPath"].update(type=1),
]
# Of the daemon, by what is ours.
UNLIKE_US = [
    lambda d: container_of(d).update(command=["/bin/sh", "-c"]),
    lambda d: container_of(d)["livenessProbe"]["exec"].update(command=["/bin/sh", "-c", "true"]),
    lambda d: container_of(d)["livenessProbe"]["exec"].update(command=["/usr/bin/apoptosis", "statsu"]),
    lambda d: container_of(d)["securityContext"].update(privileged=True),
    lambda d: container_of(d)["securityContext"]["capabilities"]["add"].append("SYS_ADMIN"),
    lambda d: container_of(d)["securityContext"]["capabilities"]["add"].remove("BPF"),
    lambda d: container_of(d)["securityContext"]["capabilities"].pop("drop"),
    lambda d: container_of(d)["args"].append("--frobnicate"),
    lambda d: container_of(d).update(args=["deamon"]),
    lambda d: container_of(d).update(image="apoptosis:latest"),
    lambda d: container_of(d).update(image="apoptosis"),
    lambda d: container_of(d).update(image="apoptosis:0.0.0"),
    lambda d: container_of(d)["resources"].pop("limits"),
    lambda d: d["spec"]["template"]["spec"]["volumes"].pop(),
]


def check_teeth(documents, ours):
    good = next(d for n, d in documents.items() if n.startswith("kustomize-base") and d["kind"] == "DaemonSet")
    job = next(d for n, d in documents.items() if n.startswith("example-job.yaml"))
    types, bad = Types(), []
    for number, mistake in enumerate(MISTYPED):
        document = copy.deepcopy(good)
        mistake(document)
        types.add(f"mistake {number} of MISTYPED", document)
    found = types.errors()
    bad += [f"{name} is not found" for name in types.names if name not in found]
    for number, mistake in enumerate(UNLIKE_US):
        document = copy.deepcopy(good)
        mistake(document)
        if not ours.document(document):
            bad.append(f"mistake {number} of UNLIKE_US is not found")
    job = copy.deepcopy(job)
    job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] = [127, 126]
    if not ours.document(job):
        bad.append("values out of order are not found")
    if not ours.config({"x.conf": "[defaults]\nno-such-key = 1\n"}):
        bad.append("a mistake in a configuration is not found")
    return bad


def main():
    binary, version, directory = sys.argv[1:]
    documents, ours, types = load(directory), Ours(binary, version), Types()
    for name, document in documents.items():
        types.add(name, document)
    report("manifest-types", "make them what the Kubernetes API takes",
           [f"{name}: {line}" for name, lines in types.errors().items() for line in lines])
    report("manifest-rules", "no shell, the privileges of docs/containers.md, options and keys that there are",
           [f"{name}: {line}" for name, document in documents.items() for line in ours.document(document)])
    report("manifest-chart", "let the chart and deploy/kubernetes/base make the same pod", check_same_pod(documents))
    report("manifest-compose", "let deploy/compose take what docs/containers.md says", check_compose(ours))
    report("manifest-mistakes", "let tests/check/manifests.py find them", check_teeth(documents, ours))
    return failed


sys.exit(main())
