"""The moderngl side: one EGL context, the programs, the meshes that all bodies share, and the read-back.

Software GL (llvmpipe) is the expected driver: one thread a process, so that N processes fill N cores.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headway.errors import MissingDependencyError
from headway.models.render.template import Template
from headway.types import Camera

GLSL = Path(__file__).resolve().parent / "glsl"
NEAR, FAR = 0.06, 300.0
MAX_PEOPLE = 62  # ids are k / 63 in an 8-bit channel, steps of 4
ID_STEPS = 63
GRID = (36, 20)
FRONT_FACE = "ccw"  # as anny orders its triangles: the downward y axis and the flipped rows of `read` cancel

Array = NDArray[Any]


def open_context() -> Any:
    """A windowless OpenGL context on EGL; what is missing is named with the command that installs it."""
    os.environ.setdefault("LP_NUM_THREADS", "1")
    try:
        import moderngl
    except ImportError as error:
        raise MissingDependencyError("rendering needs the package 'moderngl': pip install 'headway[render]'") from error
    try:
        return moderngl.create_standalone_context(require=330, backend="egl")  # type: ignore[arg-type]
    except Exception as error:  # moderngl and glcontext raise bare Exceptions of several kinds here
        raise MissingDependencyError(f"no OpenGL on EGL ({error}): apt-get install libegl1 libgl1-mesa-dri") from error


def shader_source(name: str) -> str:
    """common.glsl, for fragment shaders also light.glsl, then the file."""
    parts = ["common.glsl", "light.glsl", name] if name.endswith(".frag") else ["common.glsl", name]
    return "\n".join((GLSL / part).read_text(encoding="utf-8") for part in parts)


def set_uniforms(program: Any, values: Mapping[str, Any]) -> None:
    """Sets every value the program knows; the shader compiler drops unused uniforms, so unknown names are passed over.

    (4, 4) matrices are given in numpy's row-major order; other 2-D values are arrays of vectors.
    """
    for name, value in values.items():
        if name not in program:
            continue
        array = np.asarray(value)
        if array.shape == (4, 4):
            program[name].write(np.ascontiguousarray(array.T, np.float32).tobytes())
        elif array.ndim == 2:
            program[name].write(np.ascontiguousarray(array, np.float32).tobytes())
        elif array.ndim == 1:
            program[name].value = tuple(float(v) for v in array)
        else:
            program[name].value = value if isinstance(value, int) else float(value)


def lens_uniforms(camera: Camera) -> dict[str, Any]:
    """The projection of `camera` as the shaders want it; independent of the resolution it is drawn at."""
    return {
        "lens": (2 * camera.fx / camera.width, 2 * camera.fy / camera.height, NEAR, FAR),
        "centre": (2 * camera.cx / camera.width - 1, 1 - 2 * camera.cy / camera.height),
    }


class Mesh(NamedTuple):
    """Something fixed that a canvas draws: its program, its vertices as the program takes them, and their memory."""

    program: Any
    vertices: Any
    buffer: Any


class Canvas:
    """Draws anny bodies into a colour and an id buffer of width x height pixels, supersampled."""

    def __init__(self, template: Template, width: int, height: int, supersample: float = 1.5) -> None:
        self.size = (int(width * supersample), int(height * supersample))
        self._programs: dict[str, Any] = {}  # of `mesh`
        gl = self.context = open_context()
        gl.enable(gl.DEPTH_TEST)
        gl.front_face = FRONT_FACE
        self.body_program = self.program("body")
        self.hair_program = self.program("body", "hair")
        self.extra_program = self.program("extra")
        self._positions = gl.buffer(reserve=template.rest.astype("f4").nbytes, dynamic=True)
        self._normals = gl.buffer(reserve=template.rest.astype("f4").nbytes, dynamic=True)
        attributes = [
            (self._positions, "3f", "position"),
            (self._normals, "3f", "normal"),
            (gl.buffer(template.rest.astype("f4").tobytes()), "3f", "rest"),
            (gl.buffer(template.region.astype("f4").tobytes()), "3f", "region"),
        ]
        self._body = gl.vertex_array(self.body_program, attributes, gl.buffer(template.faces.astype("i4").tobytes()))
        scalp = gl.buffer(template.scalp_faces.astype("i4").tobytes())
        self._scalp = gl.vertex_array(self.hair_program, attributes, scalp)
        vertices, triangles = _grid(*GRID)
        grid = [(gl.buffer(vertices.tobytes()), "2f", "grid")]
        self._extra = gl.vertex_array(self.extra_program, grid, gl.buffer(triangles.tobytes()))
        self._colour, self._ids = gl.texture(self.size, 4), gl.texture(self.size, 4)
        self._target = gl.framebuffer([self._colour, self._ids], gl.depth_renderbuffer(self.size))

    def program(self, vertex: str, fragment: str | None = None) -> Any:
        """Compiles VERTEX.vert with FRAGMENT.frag, of the same name where only one is given."""
        return self.context.program(
            vertex_shader=shader_source(f"{vertex}.vert"), fragment_shader=shader_source(f"{fragment or vertex}.frag")
        )

    def begin(self) -> None:
        """Clears both buffers."""
        self._target.use()
        self._target.clear(0, 0, 0, 0)

    def draw_body(self, vertices: Array, normals: Array, uniforms: Mapping[str, Any], shells: int) -> None:
        """One person: vertices, normals (V, 3) float32 in body axes; `shells` layers of scalp hair, 0 for none."""
        self._positions.write(np.ascontiguousarray(vertices, np.float32).tobytes())
        self._normals.write(np.ascontiguousarray(normals, np.float32).tobytes())
        set_uniforms(self.body_program, {**uniforms, "shells": 0.0})
        self.context.enable(self.context.CULL_FACE)
        self._body.render()
        if shells:
            set_uniforms(self.hair_program, {**uniforms, "shells": float(shells)})
            self._scalp.render(instances=shells)
        self.context.disable(self.context.CULL_FACE)

    def draw_extra(self, uniforms: Mapping[str, Any]) -> None:
        """One parametric surface: a curtain of hair, a bun, a hat, a scarf."""
        set_uniforms(self.extra_program, uniforms)
        self._extra.render()

    def mesh(self, name: str, vertices: Array, layout: str, attributes: tuple[str, ...]) -> Mesh:
        """Program NAME and its fixed vertices (N, floats), for `draw`; layout as moderngl writes it."""
        if name not in self._programs:
            self._programs[name] = self.program(name)
        program = self._programs[name]
        buffer = self.context.buffer(np.ascontiguousarray(vertices, np.float32).tobytes())
        # What the compiler dropped must not be bound: its place in the buffer is padded over.
        known = [a if a in program else None for a in attributes]
        parts = [p if a else f"{4 * int(p[:-1])}x" for p, a in zip(layout.split(), known, strict=True)]
        content = [(buffer, " ".join(parts), *[a for a in known if a])]
        return Mesh(program, self.context.vertex_array(program, content), buffer)

    def draw(self, mesh: Mesh, uniforms: Mapping[str, Any]) -> None:
        """Draws what `mesh` made."""
        set_uniforms(mesh.program, uniforms)
        mesh.vertices.render()

    def release(self, mesh: Mesh) -> None:
        """Frees what `mesh` made, but for the program, which stays for the next one of that name."""
        mesh.vertices.release()
        mesh.buffer.release()

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
        """Colour (h, w, 4) RGB + coverage, person number (h, w) from 1 (0 nobody), head or hair (h, w)."""
        width, height = self.size
        colour, ids = (
            np.frombuffer(self._target.read(components=4, attachment=k), np.uint8).reshape(height, width, 4)[::-1]
            for k in (0, 1)
        )
        person = ((ids[..., 0].astype(np.uint16) * ID_STEPS + 127) // 255).astype(np.uint8)
        return colour, person, ids[..., 1] > 200

    def close(self) -> None:
        """Frees the context; the canvas cannot be used afterwards."""
        self.context.release()


def _grid(columns: int, rows: int) -> tuple[Array, Array]:
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
    triangles = np.concatenate([corner + np.array([0, 1, columns]), corner + np.array([1, columns + 1, columns])])
    return np.stack([u, v], axis=-1).reshape(-1, 2).astype("f4"), triangles.astype("i4")
