// The street: vertices in world axes (x forward, y left, z up); to_camera is world -> camera optical frame here.
in vec3 position, normal;
in vec4 paint;             // colour, material
in vec2 uv;
out vec3 view, view_normal, world;
out vec4 ink;
out vec2 at;

void main() {
    world = position;
    ink = paint;
    at = uv;
    view = (to_camera * vec4(position, 1.)).xyz;
    view_normal = mat3(to_camera) * normal;
    gl_Position = project(view);
}
