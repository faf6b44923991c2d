// One shell of scalp hair: where hair grows, with gaps between the strands. Apart from body.frag because a shader that
// discards is tested for depth late: the body stays fast.
in vec3 view, view_normal, skin_at, area;
in float shell;
layout(location = 0) out vec4 colour_out;
layout(location = 1) out vec4 id_out;
uniform float person, gloss;
uniform vec4 hair_grain;   // frequency, gaps, stretch (1 = curls), x of the crown
uniform vec4 hairline;     // z at the forehead, temple, nape; widow's peak
uniform vec3 hair, hair_light;

vec3 tilt(vec3 n, float amount, float a, float b, float c) { return normalize(n + amount * (vec3(a, b, c) - .5)); }

// Strands run from the crown outward and down, so a head seen from behind shows its whorl and its fall.
vec3 strands(vec3 r, out float grain) {
    vec3 d = r - vec3(hair_grain.w, -.012, .745);
    float around = atan(d.x, -d.y), along = length(d);
    float fine = noise(vec3(cos(around), sin(around), 0.) * hair_grain.x * .16 + vec3(0, 0, along * hair_grain.x * hair_grain.z * .3) + seed);
    float finer = noise(vec3(cos(around), sin(around), 0.) * hair_grain.x * .5 + vec3(0, 0, along * (12. + 180. * hair_grain.z)) + seed.zxy);
    float curls = noise(r * hair_grain.x + seed);
    grain = mix(fine, curls, smoothstep(.3, .9, hair_grain.z));
    return vec3(fine, finer, curls);
}

void main() {
    vec3 n = normalize(view_normal), r = skin_at;
    float y = r.y, line;
    if (y < -.095) line = hairline.x;
    else if (y < -.05) line = mix(hairline.x, hairline.y, (y + .095) / .045);
    else if (y < -.012) line = mix(hairline.y, hairline.y - .005, (y + .05) / .038);
    else line = mix(hairline.y - .03, hairline.z, clamp((y + .012) / .03, 0., 1.));
    line += .012 * (noise(r * 90. + seed) - .5) + .03 * hairline.w * abs(r.x) / .07;
    bool ear = abs(r.x) > .0735 && y < -.01 && y > -.06 && r.z < .672;
    if (area.x < .5 || r.z < line || ear) discard;
    float grain;
    vec3 s = strands(r, grain);
    if (grain < hair_grain.y * shell * shell) discard;
    vec3 c = mix(hair, hair_light, s.y * .7 * shell) * (.45 + .55 * shell) * (.75 + .5 * s.x);
    colour_out = vec4(shade(c, tilt(n, .8, s.x, s.y, s.z), view, .22 * gloss * s.y, 14.), 1.);
    id_out = vec4(person, 1., 0., 1.);
}
