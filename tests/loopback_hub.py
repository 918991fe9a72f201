# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""
A Hub on 127.0.0.1 for the real clients: repositories, commits, large files, and faults on demand.

It answers only the requests that huggingface_hub, transformers and datasets send in the tests, and holds everything in
memory.
"""

import base64
import fnmatch
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml


KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.parquet filter=lfs diff=lfs merge=lfs -text\n"


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str | None = None):
        self.status, self.message, self.code = status, message, code


@dataclass
class Fault:
    """What happens to the next `times` requests whose `METHOD /path` matches the regular expression `where`."""

    where: str
    status: int | None = None
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False  # the connection ends in the middle of the body of the request or the response
    lose_answer: bool = False  # the request is executed, but the connection ends before the response
    times: int = 1


@dataclass
class Repository:
    kind: str
    name: str
    owner: str
    private: bool
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict] = field(default_factory=dict)
    pull_requests: int = 0

    def commit(self, ref: str, files: dict[str, tuple[str, bool]], title: str, parent: str | None) -> str:
        """`files` maps each path to the sha256 of its bytes, and whether it is a large file."""
        oid = hashlib.sha1(f"{self.name}{len(self.commits)}".encode()).hexdigest()
        self.commits[oid] = {"files": files, "title": title, "parent": parent}
        self.refs[ref] = oid
        return oid

    def find(self, revision: str) -> str:
        for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if ref in self.refs:
                return self.refs[ref]
        if revision in self.commits:
            return revision
        raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def files(self, revision: str = "main") -> dict[str, tuple[str, bool]]:
        return self.commits[self.find(revision)]["files"]

    @property
    def history(self) -> list[str]:
        """Titles of the main branch, the newest first."""
        titles, oid = [], self.refs["refs/heads/main"]
        while oid is not None:
            titles.append(self.commits[oid]["title"])
            oid = self.commits[oid]["parent"]
        return titles


class LoopbackHub:
    """
    `tokens` maps a token to a user; one that ends in `_read` may not write. Use as a context manager.

    `url` is what `HF_ENDPOINT` is set to. Large files come from a second port, as the Hub's come from another host:
    the client follows redirects within one host, and would lose the headers of the first answer.
    """

    def __init__(self, tokens: dict[str, str]):
        self.tokens = tokens
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.lock = threading.RLock()
        handler = type("Handler", (Handler,), {"hub": self})
        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        self.url, self.storage_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in self.servers)

    def __enter__(self):
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def repository(self, name: str, kind: str = "model") -> Repository:
        return self.repositories[kind, name]

    def read(self, name: str, path: str, revision: str = "main", kind: str = "model") -> bytes:
        return self.blobs[self.repository(name, kind).files(revision)[path][0]]

    def store(self, data: bytes) -> str:
        sha = hashlib.sha256(data).hexdigest()
        self.blobs[sha] = data
        return sha

    def put(self, name: str, files: dict[str, bytes], kind: str = "model"):
        """Commits files to the main branch, as a user does in the browser."""
        repository = self.repository(name, kind)
        suffixes = (".safetensors", ".bin", ".parquet", ".png")
        added = {path: (self.store(data), path.endswith(suffixes)) for path, data in files.items()}
        repository.commit("refs/heads/main", {**repository.files(), **added}, "By hand", repository.find("main"))

    def edit(self, name: str, path: str, old: str, new: str, kind: str = "model"):
        """Replaces text in a file, as a user does in the browser."""
        text = self.read(name, path, kind=kind).decode()
        assert old in text
        self.put(name, {path: text.replace(old, new).encode()}, kind)

    def client_environment(self, home, token: str | None = None) -> dict[str, str]:
        """Variables for a process that uses only this Hub, with `home` as its cache."""
        variables = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return variables if token is None else {**variables, "HF_TOKEN": token}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LoopbackHub

    def log_message(self, *_):
        pass

    def respond(self):
        parts = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        line = f"{self.command} {parts.path}"
        fault = self.take_fault(line)
        self.cut_answer = False
        try:
            if fault is not None:
                time.sleep(fault.delay)
                if fault.cut and self.command in ("PUT", "POST"):
                    self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
                    return self.hang_up(line)
                self.cut_answer = fault.cut
            self.data = self.read_body()
            if fault is not None and fault.status is not None:
                return self.answer(fault.status, {"error": "The server was told to."}, fault.headers, line=line)
            self.user, self.may_write = self.authenticate()
            for method, pattern, action in ROUTES:
                match = re.fullmatch(pattern, parts.path)
                if match and self.command in method:
                    with self.hub.lock:
                        result = action(
                            self, **{name: unquote(part or "") for name, part in match.groupdict().items()}
                        )
                    if fault is not None and fault.lose_answer:
                        return self.hang_up(line)
                    return self.answer(*result, line=line)
            raise Refused(404, f"The loopback Hub has no {line}")
        except Refused as refusal:
            headers = {"X-Error-Message": refusal.message}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            self.answer(refusal.status, {"error": refusal.message}, headers, line=line)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = respond

    def take_fault(self, line: str) -> Fault | None:
        with self.hub.lock:
            for fault in self.hub.faults:
                if fault.times > 0 and re.search(fault.where, line):
                    fault.times -= 1
                    return fault
        return None

    def read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def authenticate(self) -> tuple[str | None, bool]:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return None, False
        if token not in self.hub.tokens:
            raise Refused(401, "Invalid credentials in Authorization header")
        return self.hub.tokens[token], not token.endswith("_read")

    def answer(self, status: int, body=None, headers: dict | None = None, line: str = ""):
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.hub.requests.append(f"{line} {status}")
        self.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.cut_answer:
            self.wfile.write(data[: len(data) // 2])
            return self.hang_up(line)
        self.wfile.write(data)

    def hang_up(self, line: str):
        self.hub.requests.append(f"{line} cut")
        self.close_connection = True
        self.connection.close()

    def json(self) -> dict:
        return json.loads(self.data or b"{}")

    def find(self, kinds: str, name: str, write: bool = False) -> Repository:
        repository = self.hub.repositories.get((KINDS[kinds or "models"], name))
        if repository is None or (repository.private and self.user != repository.owner):
            status = 404 if self.user else 401
            raise Refused(status, "Repository not found", "RepoNotFound")
        if write and (self.user != repository.owner or not self.may_write):
            raise Refused(403 if self.user else 401, "You don't have the rights to write to this repository.")
        return repository

    def who_am_i(self):
        if self.user is None:
            raise Refused(401, "Invalid username or password.")
        role = "write" if self.may_write else "read"
        token = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
        return 200, {"type": "user", "name": self.user, "fullname": self.user, "orgs": [], "auth": token}

    def validate_yaml(self):
        front = re.match(r"^---\s*\n(.*?)\n---", self.json()["content"], re.DOTALL)
        errors = []
        try:
            metadata = yaml.safe_load(front[1]) if front else {}
            languages = metadata.get("language") or []
            languages = [languages] if isinstance(languages, str) else languages
            unknown = [name for name in languages if not re.fullmatch(r"[a-z]{2,3}|code|multilingual", name)]
            errors += [{"message": f'"language" {name!r} is not an ISO 639 code'} for name in unknown]
            if isinstance(metadata.get("license"), str) and not re.fullmatch(r"[a-z0-9.-]+", metadata["license"]):
                errors.append({"message": f'"license" {metadata["license"]!r} is not known'})
            results = [result for entry in metadata.get("model-index") or [] for result in entry["results"]]
            if not all(
                {"name", "type"} <= result["dataset"].keys() and "type" in result["task"] for result in results
            ):
                errors.append({"message": "a result needs a task, and a dataset's name and type"})
        except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            errors.append({"message": f"metadata cannot be read: {error!r}"})
        return (400 if errors else 200), {"errors": errors, "warnings": []}

    def create(self):
        requested = self.json()
        if self.user is None:
            raise Refused(401, "Invalid username or password.")
        owner, kind = requested.get("organization") or self.user, requested.get("type", "model")
        if owner != self.user or not self.may_write:
            raise Refused(403, f"You don't have the rights to create a {kind} under the namespace {owner!r}")
        name = f"{owner}/{requested['name']}"
        private = requested.get("private", requested.get("visibility") == "private")
        url = {"url": f"{self.hub.url}/{'' if kind == 'model' else kind + 's/'}{name}", "name": name}
        if (kind, name) in self.hub.repositories:
            return 409, {"error": f"You already created this {kind} repo", **url}
        repository = Repository(kind, name, owner, private)
        repository.commit(
            "refs/heads/main", {".gitattributes": (self.hub.store(ATTRIBUTES.encode()), False)}, "initial commit", None
        )
        self.hub.repositories[kind, name] = repository
        return 200, url

    def info(self, kinds, name, revision):
        repository = self.find(kinds, name)
        oid = repository.find(revision or "main")
        files = repository.files(oid)
        siblings = [{"rfilename": path, **self.describe(path, *file)} for path, file in sorted(files.items())]
        card = {}
        if "README.md" in files:
            front = re.match(r"^---\s*\n(.*?)\n---", self.hub.blobs[files["README.md"][0]].decode(), re.DOTALL)
            card = yaml.safe_load(front[1]) if front else {}
        described = {"id": name, "author": repository.owner, "sha": oid, "private": repository.private}
        described |= {
            "tags": card.get("tags") or [],
            "cardData": card,
            "siblings": siblings,
            "downloads": 0,
            "likes": 0,
        }
        if repository.kind == "model":
            described |= {"modelId": name, "pipeline_tag": card.get("pipeline_tag")}
            described["library_name"] = card.get("library_name")
        return 200, described

    def describe(self, path: str, sha: str, is_large: bool) -> dict:
        data = self.hub.blobs[sha]
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize {len(data)}\n".encode()
        stored = pointer if is_large else data
        oid = hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()
        described = {"type": "file", "path": path, "oid": oid, "blobId": oid, "size": len(data)}
        if is_large:
            described["lfs"] = {"oid": sha, "sha256": sha, "size": len(data), "pointerSize": len(pointer)}
        return described

    def tree(self, kinds, name, revision, path):
        files = self.find(kinds, name).files(revision)
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        is_deep = self.query.get("recursive", "").lower() in ("true", "1")
        folders, entries = set(), []
        for file in sorted(files):
            if not file.startswith(prefix):
                continue
            *parents, _ = file[len(prefix) :].split("/")
            folders |= {prefix + "/".join(parents[:depth]) for depth in range(1, len(parents) + 1 if is_deep else 2)}
            if is_deep or not parents:
                entries.append(self.describe(file, *files[file]))
        folders = [{"type": "directory", "path": folder, "oid": "0" * 40, "size": 0} for folder in sorted(folders)]
        if prefix and not entries and not folders:
            raise Refused(404, f"{path} does not exist", "EntryNotFound")
        return 200, [folder for folder in folders if folder["path"] + "/" != prefix and folder["path"]] + entries

    def paths_info(self, kinds, name, revision):
        files = self.find(kinds, name).files(revision)
        is_json = "json" in self.headers.get("Content-Type", "")
        paths = self.json()["paths"] if is_json else parse_qs(self.data.decode()).get("paths", [])
        entries = [self.describe(path, *files[path]) for path in paths if path in files]
        folders = [path for path in paths if any(file.startswith(path.rstrip("/") + "/") for file in files)]
        return 200, entries + [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders]

    def refs(self, kinds, name):
        refs = self.find(kinds, name).refs
        groups = {
            "branches": "refs/heads/",
            "tags": "refs/tags/",
            "converts": "refs/convert/",
            "pullRequests": "refs/pr/",
        }
        return 200, {
            group: [
                {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": oid}
                for ref, oid in refs.items()
                if ref.startswith(prefix)
            ]
            for group, prefix in groups.items()
        }

    def add_ref(self, kinds, name, kind, argument):
        repository, requested = self.find(kinds, name, write=True), self.json()
        if kind == "branch":
            ref, start = f"refs/heads/{argument}", requested.get("startingPoint") or "main"
        else:
            ref, start = f"refs/tags/{requested['tag']}", argument
        if ref in repository.refs:
            raise Refused(409, "Reference already exists")
        repository.refs[ref] = repository.find(start)
        return 200, {}

    def preupload(self, kinds, name, revision):
        repository = self.find(kinds, name, write="create_pr" not in self.query)
        files, answers = repository.files(revision), []
        attributes = self.hub.blobs[files[".gitattributes"][0]].decode().splitlines()
        patterns = [line.split()[0] for line in attributes if "filter=lfs" in line]
        for file in self.json()["files"]:
            is_binary = b"\0" in base64.b64decode(file.get("sample", ""))
            is_large = is_binary or any(fnmatch.fnmatch(file["path"].split("/")[-1], pattern) for pattern in patterns)
            oid = None
            if file["path"] in files:
                sha, was_large = files[file["path"]]
                oid = sha if was_large else self.describe(file["path"], sha, False)["oid"]
            mode = "lfs" if is_large else "regular"
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return 200, {"files": answers}

    def commit(self, kinds, name, revision):
        is_pull_request = "create_pr" in self.query
        repository = self.find(kinds, name, write=not is_pull_request)
        parent = repository.find(revision)
        files, title = dict(repository.files(parent)), ""
        for line in self.data.splitlines():
            operation = json.loads(line)
            key, value = operation["key"], operation["value"]
            if key == "header":
                title = value["summary"]
                if not is_pull_request and not parent.startswith(value.get("parentCommit") or ""):
                    raise Refused(412, "A commit has happened since. Please refresh and try again.")
            elif key == "file":
                files[value["path"]] = (self.hub.store(base64.b64decode(value["content"])), False)
            elif key == "lfsFile":
                if value["oid"] not in self.hub.blobs:
                    raise Refused(400, f"{value['path']} was never uploaded")
                files[value["path"]] = (value["oid"], True)
            elif key == "deletedFile":
                del files[value["path"]]
        ref = f"refs/heads/{revision}"
        answer = {"success": True}
        if is_pull_request:
            repository.pull_requests += 1
            ref = f"refs/pr/{repository.pull_requests}"
            answer["pullRequestUrl"] = f"{self.hub.url}/{name}/discussions/{repository.pull_requests}"
        oid = repository.commit(ref, files, title, parent)
        return 200, {**answer, "commitOid": oid, "commitUrl": f"{self.hub.url}/{name}/commit/{oid}"}

    def large_files(self, kinds, name):
        self.find(kinds, name)
        requested, answers = self.json(), []
        for item in requested["objects"]:
            entry = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.hub.blobs:
                entry["actions"] = {"upload": {"href": f"{self.hub.storage_url}/storage/{item['oid']}"}}
            answers.append(entry)
        return 200, {"transfer": "basic", "objects": answers}, {"Content-Type": "application/vnd.git-lfs+json"}

    def storage(self, sha):
        if self.command != "PUT":
            return self.partial(self.hub.blobs[sha], {"ETag": f'"{sha}"'})
        if hashlib.sha256(self.data).hexdigest() != sha:
            raise Refused(400, "The sha256 is another.")
        self.hub.store(self.data)
        return 200, None

    def resolve(self, kinds, name, revision, path):
        repository = self.find(kinds, name)
        oid = repository.find(revision)
        headers = {"X-Repo-Commit": oid}
        if path not in repository.files(oid):
            headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            return 404, {"error": "Entry not found"}, headers
        sha, is_large = repository.files(oid)[path]
        described = self.describe(path, sha, is_large)
        headers["ETag"] = f'"{described["oid"]}"'
        if not is_large:
            return self.partial(self.hub.blobs[sha], headers)
        headers |= {"X-Linked-Size": str(described["size"]), "X-Linked-ETag": f'"{sha}"'}
        if self.command == "HEAD":  # older clients follow redirects from port to port, too
            return 200, None, {**headers, "Content-Length": str(described["size"])}
        return 302, None, {**headers, "Location": f"{self.hub.storage_url}/storage/{sha}"}

    def partial(self, data: bytes, headers: dict):
        """The complete content, or the requested range."""
        headers |= {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not match:
            return 200, data, headers
        first, last = int(match[1]), min(int(match[2] or len(data) - 1), len(data) - 1)
        return 206, data[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(data)}"}


REPOSITORY = r"/(?:(?P<kinds>datasets|spaces)/)?(?P<name>[^/]+/[^/]+)"
API = r"/api/(?P<kinds>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
ROUTES = [
    ("GET", r"/api/whoami-v2", Handler.who_am_i),
    ("POST", r"/api/validate-yaml", Handler.validate_yaml),
    ("POST", r"/api/repos/create", Handler.create),
    ("GET", API + r"(?:/revision/(?P<revision>[^/]+))?", Handler.info),
    ("GET", API + r"/tree/(?P<revision>[^/]+)(?P<path>/.*)?", Handler.tree),
    ("POST", API + r"/paths-info/(?P<revision>[^/]+)", Handler.paths_info),
    ("GET", API + r"/refs", Handler.refs),
    ("POST", API + r"/(?P<kind>branch|tag)/(?P<argument>.+)", Handler.add_ref),
    ("POST", API + r"/preupload/(?P<revision>[^/]+)", Handler.preupload),
    ("POST", API + r"/commit/(?P<revision>[^/]+)", Handler.commit),
    ("POST", REPOSITORY + r"\.git/info/lfs/objects/batch", Handler.large_files),
    ("GET PUT HEAD", r"/storage/(?P<sha>[0-9a-f]{64})", Handler.storage),
    ("GET HEAD", REPOSITORY + r"/resolve/(?P<revision>refs%2F[^/]+|refs/pr/\d+|[^/]+)/(?P<path>.+)", Handler.resolve),
]
