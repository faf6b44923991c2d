// Hair additions (streaky, with gaps) or cloth (smooth): see extra.vert.
in vec3 view, view_normal, at;
layout(location = 0) out vec4 colour_out;
layout(location = 1) out vec4 id_out;
uniform vec3 colour, colour_light;
uniform float person, part, fabric, streak, gaps, gloss;

void main() {
    float s = noise(vec3(at.x * 150., at.y * 150., at.z * 12.) * streak + seed), s2 = noise(at * 40. + seed);
    if (noise(at * vec3(130., 130., 30.) + seed) < gaps) discard;
    vec3 c = mix(colour, colour_light, s * s) * (.6 + .5 * s2);
    vec3 n = normalize(normalize(view_normal) + (1. - fabric * .7) * .7 * (vec3(s, s2, noise(at * 70.)) - .5));
    colour_out = vec4(shade(c, n, view, fabric > .5 ? .02 : .15 * gloss * s, 18.), 1.);
    id_out = vec4(person, part, 0., 1.);
}
