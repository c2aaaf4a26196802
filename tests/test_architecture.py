"""The rules that keep the code easy to find one's way in, read off the imports with ast."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rfiscan"
MAX_LINES = 350
BANNED_NAMES = {"utils", "helpers", "misc", "common", "manager", "process", "handle"}

LAYERS = (
    {"rfiscan", "errors"},
    {
        "radiometry",
        "standardisation",
        "sentinel1",
        "grids",
        "tiling",
        "scoring",
        "detections",
        "locating",
        "metrics",
        "simulation",
        "baselines",
    },
    {"networks"},
    {
        "atomic",
        "locations",
        "scenes",
        "scene_layout",
        "truth",
        "priors",
        "training_data",
        "model_files",
        "runtimes",
        "export",
    },
    {"workflows", "config"},
    {"cli", "console", "__main__", "rio_plugin"},
)
NUMPY_ONLY = LAYERS[1]

# one library, one home
HOMES = {
    "typer": {"cli"},
    "rich": {"cli", "console"},
    "yaml": {"config", "model_files", "priors"},
    "pydantic": {"config", "model_files", "priors"},
    "rasterio": {"scenes", "export", "detections"},
    "PIL": {"training_data"},
    "affine": {"scenes", "export"},  # the transforms of rasterio, which brings it
    "torch": {"networks", "training_data", "model_files", "workflows"},
    "openvino": {"runtimes"},
    "onnxruntime": {"runtimes"},
    "matplotlib": {"export"},
    "alembic": {"workflows"},
    "sqlalchemy": {"workflows"},
    "tensorboard": {"workflows"},
    "clearml": {"workflows"},
    "mlflow": {"workflows"},
    "optuna": {"workflows"},
    "safetensors": {"model_files"},
    "defusedxml": {"scenes"},
    "psutil": {"workflows"},
    "filelock": {"workflows"},
    "click": {"rio_plugin"},
    "pyogrio": {"export"},
    "pickle": set[str](),
    "requests": set[str](),
    "torchvision": set[str](),
}
FILE_LIBRARIES = {"pathlib", "os", "io", "shutil", "tempfile", "glob"}


@dataclass(frozen=True)
class Import:
    """One import statement: the module it names, and whether it is for type checkers only."""

    module: str
    for_types: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def part_of(module: str) -> str:
    """The part of rfiscan that a module belongs to: `scenes` for rfiscan.scenes.safe."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def layer_of(module: str) -> int:
    return next(level for level, names in enumerate(LAYERS) if part_of(module) in names)


def imports_of(path: Path) -> list[Import]:
    return list(_imports(ast.parse(path.read_text(encoding="utf-8")), for_types=False))


def _imports(node: ast.AST, *, for_types: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, for_types) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative import"
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            yield Import(full if full in MODULES else str(node.module), for_types)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.body:
            yield from _imports(child, for_types=True)
        for child in node.orelse:
            yield from _imports(child, for_types=for_types)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, for_types=for_types)


def own_imports(module: str) -> set[str]:
    return {found.module for found in imports_of(MODULES[module]) if found.module.split(".")[0] == "rfiscan"}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_layer(module):
    assert any(part_of(module) in names for names in LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    upward = {name for name in own_imports(module) if layer_of(name) > layer_of(module)}
    assert not upward


def test_there_is_no_import_cycle():
    graph = {module: {name for name in own_imports(module) if name != module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", MODULES)
def test_every_library_has_one_home(module):
    strays = {
        found.module
        for found in imports_of(MODULES[module])
        if part_of(module) not in HOMES.get(found.module.split(".")[0], {part_of(module)})
    }
    assert not strays


def test_regions_use_nothing_of_rasterio_but_its_features():
    used = {
        found.module for found in imports_of(MODULES["rfiscan.detections.pixel_regions"]) if "rasterio" in found.module
    }
    assert used <= {"rasterio.features"}


@pytest.mark.parametrize("module", [name for name in MODULES if part_of(name) in NUMPY_ONLY])
def test_computing_modules_touch_no_files(module):
    libraries = {found.module.split(".")[0] for found in imports_of(MODULES[module]) if not found.for_types}
    assert not libraries & FILE_LIBRARIES


@pytest.mark.parametrize("module", MODULES)
def test_files_are_short(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("module", MODULES)
def test_names_say_something(module):
    words = set(module.replace(".", "_").split("_"))
    assert not words & BANNED_NAMES


@pytest.mark.parametrize("module", MODULES)
def test_every_imported_library_is_declared(module):
    declared = {*HOMES, "numpy", "scipy"} - {"pickle", "requests", "torchvision"}
    libraries = {found.module.split(".")[0] for found in imports_of(MODULES[module]) if not found.for_types}
    assert libraries <= declared | set(sys.stdlib_module_names) | {"rfiscan"}
