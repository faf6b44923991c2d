#version 330
// Shared by every stage: value noise, the projection of headway (camera optical frame: x right, y down, z forward).
uniform mat4 to_camera;    // body axes -> camera optical frame
uniform vec4 lens;         // 2 fx / width, 2 fy / height, near, far
uniform vec2 centre;       // principal point in clip coordinates, x right, y up
uniform vec3 seed;         // shifts all noise: one seed a person

float hash(vec3 p) {
    p = fract(p * .3183099 + .1) * 17.;
    return fract(p.x * p.y * p.z * (p.x + p.y + p.z));
}

float noise(vec3 x) {
    vec3 i = floor(x), f = fract(x);
    f = f * f * (3. - 2. * f);
    return mix(mix(mix(hash(i), hash(i + vec3(1, 0, 0)), f.x), mix(hash(i + vec3(0, 1, 0)), hash(i + vec3(1, 1, 0)), f.x), f.y),
               mix(mix(hash(i + vec3(0, 0, 1)), hash(i + vec3(1, 0, 1)), f.x), mix(hash(i + vec3(0, 1, 1)), hash(i + vec3(1, 1, 1)), f.x), f.y), f.z);
}

vec4 project(vec3 p) {
    float n = lens.z, f = lens.w;
    return vec4(lens.x * p.x + centre.x * p.z, -lens.y * p.y + centre.y * p.z, (p.z * (f + n) - 2. * f * n) / (f - n), p.z);
}
