"""The table of what reaches outside of the source: calls by dotted name, whole modules, methods of any object."""

from __future__ import annotations

import re

Row = tuple[str, str]
"""The finding's id, and what the call does."""

KERNEL, PACKAGE, DOWNLOAD = "source.kernel", "source.package", "source.download"
FILE, PROCESS, DYNAMIC = "source.file", "source.process", "source.dynamic"

_DYNAMIC = {
    "executes text as code": "exec code.InteractiveInterpreter code.interact runpy.run_path runpy.run_module",
    "evaluates text as code": "eval",
    "compiles text": "compile codeop.compile_command",
    "makes code objects": "types.FunctionType types.CodeType",
    "imports a module by a computed name": "__import__ importlib.import_module importlib.reload importlib.__import__",
    "loads a module from a path": "importlib.util.spec_from_file_location importlib.util.module_from_spec "
    "importlib.machinery.SourceFileLoader zipimport.zipimporter",
    "unpickles, which can run code": "pickle.load pickle.loads pickle.Unpickler _pickle.load _pickle.loads dill.load dill.loads "
    "cloudpickle.load cloudpickle.loads joblib.load shelve.open pandas.read_pickle torch.package.PackageImporter",
    "loads a checkpoint that may be a pickle": "torch.load torch.serialization.load torch.jit.load",
    "loads YAML that may make objects": "yaml.load yaml.unsafe_load yaml.full_load",
    "loads compiled code": "marshal.load marshal.loads",
    "decodes bytes that the text does not show": "base64.b64decode base64.b32decode base64.b16decode base64.b85decode "
    "base64.a85decode base64.decodebytes base64.urlsafe_b64decode binascii.unhexlify binascii.a2b_base64 zlib.decompress "
    "bz2.decompress lzma.decompress gzip.decompress codecs.decode bytes.fromhex bytearray.fromhex",
    "changes where modules come from": "sys.path.insert sys.path.append sys.path.extend sys.meta_path.insert "
    "sys.meta_path.append site.addsitedir pip.main",
    "runs code when the program ends": "atexit.register",
}
_KERNEL = {
    "loads a compiled library": "torch.ops.load_library torch.classes.load_library ctypes.CDLL ctypes.PyDLL ctypes.WinDLL "
    "ctypes.cdll.LoadLibrary ctypes.util.find_library cffi.FFI numpy.ctypeslib.load_library",
    "compiles and loads an extension": "torch.utils.cpp_extension.load torch.utils.cpp_extension.load_inline",
    "takes a kernel from the hub": "get_kernel lazy_load_kernel load_kernel kernels.get_kernel",
}
_DOWNLOAD = {
    "downloads and runs a repository": "torch.hub.load",
    "downloads weights": "torch.hub.load_state_dict_from_url torch.utils.model_zoo.load_url",
    "downloads a file": "torch.hub.download_url_to_file wget.download gdown.download urllib.request.urlretrieve",
    "downloads from the hub": "hf_hub_download snapshot_download cached_file cached_files",
    "opens an address": "urllib.request.urlopen urlopen webbrowser.open",
}
_PROCESS = {
    "starts a process": "os.system os.popen os.startfile os.fork os.forkpty os.posix_spawn pty.spawn commands.getoutput "
    "multiprocessing.Process multiprocessing.Pool asyncio.create_subprocess_shell asyncio.create_subprocess_exec",
    "ends a process": "os.kill os.killpg os.abort os._exit",
    "reads the environment": "os.getenv os.environ.get os.environ.setdefault os.environ.items os.environ.copy os.environ.pop",
    "changes the environment": "os.putenv os.unsetenv os.environ.update",
    "reads who runs the program": "getpass.getuser getpass.getpass os.getlogin pwd.getpwuid socket.gethostname platform.node",
}
_FILE = {
    "opens a file": "open io.open os.open os.fdopen codecs.open gzip.open bz2.open lzma.open zipfile.ZipFile tarfile.open "
    "mmap.mmap sqlite3.connect tempfile.NamedTemporaryFile tempfile.TemporaryFile tempfile.mkstemp tempfile.mkdtemp "
    "tempfile.TemporaryDirectory",
    "writes a file": "torch.save torch.jit.save numpy.save numpy.savez numpy.savetxt safetensors.torch.save_file save_file",
    "reads a file": "numpy.load numpy.loadtxt numpy.fromfile numpy.memmap load_file safetensors.torch.load_file safe_open "
    "safetensors.safe_open torchaudio.load PIL.Image.open pandas.read_csv pandas.read_parquet",
    "removes a file": "os.remove os.unlink os.rmdir os.removedirs",
    "changes files": "os.rename os.replace os.mkdir os.makedirs os.chmod os.chown os.symlink os.link os.truncate os.chdir",
    "lists a folder": "os.listdir os.walk os.scandir glob.glob glob.iglob",
}
CALLS: dict[str, Row] = {
    name: (rule, what)
    for rule, table in (
        (DYNAMIC, _DYNAMIC),
        (KERNEL, _KERNEL),
        (DOWNLOAD, _DOWNLOAD),
        (PROCESS, _PROCESS),
        (FILE, _FILE),
    )
    for what, names in table.items()
    for name in names.split()
}
"""By dotted name."""
MODULES: tuple[tuple[str, str, str], ...] = (
    ("subprocess.", PROCESS, "starts a process"),
    ("os.exec", PROCESS, "starts a process"),
    ("os.spawn", PROCESS, "starts a process"),
    ("pexpect.", PROCESS, "starts a process"),
    ("requests.", DOWNLOAD, "speaks to an address"),
    ("httpx.", DOWNLOAD, "speaks to an address"),
    ("aiohttp.", DOWNLOAD, "speaks to an address"),
    ("urllib3.", DOWNLOAD, "speaks to an address"),
    ("urllib.request.", DOWNLOAD, "speaks to an address"),
    ("http.client.", DOWNLOAD, "speaks to an address"),
    ("http.server.", DOWNLOAD, "listens on an address"),
    ("socketserver.", DOWNLOAD, "listens on an address"),
    ("socket.", DOWNLOAD, "opens a connection"),
    ("ssl.", DOWNLOAD, "opens a connection"),
    ("ftplib.", DOWNLOAD, "opens a connection"),
    ("smtplib.", DOWNLOAD, "sends mail"),
    ("telnetlib.", DOWNLOAD, "opens a connection"),
    ("xmlrpc.", DOWNLOAD, "opens a connection"),
    ("paramiko.", DOWNLOAD, "opens a connection"),
    ("boto3.", DOWNLOAD, "speaks to an address"),
    ("wandb.", DOWNLOAD, "speaks to an address"),
    ("huggingface_hub.", DOWNLOAD, "speaks to the hub"),
    ("shutil.", FILE, "changes files"),
    ("ctypes.cdll.", KERNEL, "loads a compiled library"),
    ("ctypes.windll.", KERNEL, "loads a compiled library"),
)  # fmt: skip
"""Everything of a module, by the beginning of the dotted name."""
METHODS: dict[str, Row] = {
    "from_pretrained": (DOWNLOAD, "loads a published model"),
    "read_text": (FILE, "reads a file"),
    "read_bytes": (FILE, "reads a file"),
    "write_text": (FILE, "writes a file"),
    "write_bytes": (FILE, "writes a file"),
    "exec_module": (DYNAMIC, "runs a module from a path"),
    "load_module": (DYNAMIC, "runs a module from a path"),
    "upload_file": (DOWNLOAD, "sends to the hub"),
    "upload_folder": (DOWNLOAD, "sends to the hub"),
    "push_to_hub": (DOWNLOAD, "sends to the hub"),
    "tofile": (FILE, "writes a file"),
}
"""By the last name alone, of whatever object."""
PATHS: dict[str, Row] = {
    name: (FILE, what)
    for what, names in {"opens a file": "open", "removes a file": "unlink rmdir", "changes files": "mkdir touch rename replace chmod symlink_to",
                        "lists a folder": "glob rglob iterdir"}.items()
    for name in names.split()
}  # fmt: skip
"""Methods of a ``pathlib`` path."""
READS: dict[str, Row] = {
    "os.environ": (PROCESS, "reads the environment"),
    "sys.argv": (PROCESS, "reads the command line"),
}
"""Attributes whose use alone reaches outside."""
HARMLESS = frozenset({"subprocess.PIPE", "subprocess.DEVNULL", "subprocess.STDOUT", "subprocess.CalledProcessError", "socket.error",
                      "socket.timeout", "requests.exceptions", "shutil.which", "huggingface_hub.utils", "huggingface_hub.constants"})  # fmt: skip
PURE_MODULES = (
    "huggingface_hub.dataclasses",
    "huggingface_hub.utils",
    "huggingface_hub.constants",
    "huggingface_hub.errors",
    "requests.exceptions",
)
"""Types and constants of modules that otherwise reach outside."""
KERNEL_DECORATOR = re.compile(r"use_kernel\w*|integrate_with_hub_kernels")
"""Decorators that let a kernel from the hub, or of a package that may be installed, take a function's place."""
_PLAIN = sorted(
    {name.partition(".")[0] for name in CALLS}
    | {prefix.split(".")[0] for prefix, _, _ in MODULES}
    | {"sys", "builtins", "getattr", "pathlib", "Path", "trust_remote_code", *METHODS}
)
HINT = re.compile(
    r"\b(?:"
    + "|".join(map(re.escape, set(_PLAIN) - {"torch", "numpy", "PIL", "pandas", "torchaudio", "types", "code"}))
    + r")\b"
    r"|\btorch\s*\.\s*(?:load|save|hub|jit|ops|classes|utils|serialization|package)\b|\.(?:load|fromfile|memmap|loadtxt|open)\b"
    r"|\buse_kernel|integrate_with_hub|__builtins__|__dict__|\bvars\(|\bglobals\(|\btypes\.|\bcode\.|\bsave\w*\b|\bread_\w+"
)
"""Text without any of this, and without another name for any of it, reaches nothing; only what has some is read closely."""


def row_of(name: str) -> Row | None:
    """What a dotted name stands for; None where it does not reach outside."""
    name = name.removeprefix("builtins.")
    found = CALLS.get(name)
    if found is not None:
        return found
    if name in HARMLESS or name.startswith(PURE_MODULES):
        return None
    return next(((rule, what) for prefix, rule, what in MODULES if name.startswith(prefix)), None)
