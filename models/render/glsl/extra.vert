// Parametric additions on a (u, v) grid: hair curtain, ellipsoid, dome, ring. In rest coordinates of the head or neck.
in vec2 grid;
out vec3 view, view_normal, at;
uniform int kind;          // 0 curtain, 1 ellipsoid, 2 dome (ellipsoid cut below), 3 ring
uniform vec4 shape;        // curtain: opening angle, looseness, length, waviness; others: w = roughness
uniform vec4 drape;        // curtain: unused, widening, backward, unused
uniform mat4 to_body;      // rest coordinates -> posed body
uniform vec3 middle, radius;
uniform float bend;
const float PI = 3.14159265;

vec3 curtain(vec2 w) {
    float angle = mix(shape.x, 2. * PI - shape.x, w.x), t = w.y;
    float over = min(t / .45, 1.) * PI / 2., down = max(t - .45, 0.) / .55;
    float wave = 1. + shape.w * (noise(vec3(cos(angle) * 3., sin(angle) * 3., t * 5.) + seed) - .5) * 2.;
    vec2 d = vec2(sin(angle), -cos(angle));
    vec3 p;
    p.xy = d * vec2(.083, .104) * (1. + shape.y) * sin(over) * (1. + drape.y * down) * wave;
    p.z = .095 * (1. + shape.y) * cos(over) - down * shape.z * (.85 + .3 * noise(vec3(angle * 6., 0., 0.) + seed));
    p.y += down * drape.z;
    return vec3(0., -.035, .668) + p;
}

vec3 surface(vec2 w) {
    if (kind == 0) return curtain(w);
    float a = w.x * 2. * PI, b = w.y * PI;
    if (kind == 3) {
        float c = w.y * 2. * PI;
        float lump = 1. + shape.w * (noise(vec3(cos(a) * 3., sin(a) * 3., 0.) + seed) - .5) * 2.;
        vec2 d = vec2(sin(a), -cos(a));
        return middle + vec3(d * (radius.xy + radius.z * cos(c) * lump), bend * radius.z * sin(c) * lump - d.y * .35 * drape.z);
    }
    vec3 q = vec3(sin(b) * sin(a), -sin(b) * cos(a), cos(b));
    if (kind == 2) q.z = max(q.z, -.12);
    q *= radius * (1. + shape.w * (noise(q * 4. + seed) - .5) * 2.);
    q.y += bend * q.z;
    return middle + q;
}

void main() {
    at = surface(grid);
    vec3 du = surface(grid + vec2(.01, 0.)) - at, dv = surface(grid + vec2(0., .01)) - at;
    mat4 both = to_camera * to_body;
    view = (both * vec4(at, 1.)).xyz;
    view_normal = mat3(both) * normalize(cross(dv, du) + 1e-9);
    gl_Position = project(view);
}
