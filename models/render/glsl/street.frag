// Materials: 0 plain, 1 asphalt with markings (u, v = s, d), 2 paving (s, d), 3 house front (u along, v up), 4 leaves.
in vec3 view, view_normal, world;
in vec4 ink;
in vec2 at;
layout(location = 0) out vec4 colour_out;
layout(location = 1) out vec4 id_out;
uniform vec4 feet[16];     // x, y of everybody's shadow on the ground, its radius, 1 where used
uniform vec2 shadow_to;    // where the sun throws the shadow of a head, from the feet, metres
uniform vec3 lines;        // d of the right edge line, the middle line, the left edge line

float band(float x, float half_width, float blur) { return smoothstep(half_width + blur, half_width, abs(x)); }

vec3 asphalt(vec3 c, float fade) {
    float blur = .01 + .0012 * length(view);
    c *= .88 + fade * (.07 * noise(world * 35.) + .1 * noise(world * 6.)) + .12 * noise(world * .7);
    float paint = max(band(at.y - lines.x, .06, blur), band(at.y - lines.z, .06, blur));
    paint = max(paint, band(at.y - lines.y, .06, blur) * step(fract(at.x / 6.), .5));
    return mix(c, vec3(.82, .81, .77), paint * (.75 + .25 * noise(world * 12.)));
}

vec3 paving(vec3 c, float fade) {
    vec2 cell = vec2(at.x / .6 + .5 * mod(floor(at.y / .6), 2.), at.y / .6), f = fract(cell);
    vec2 from_edge = .5 - abs(f - .5);
    float joint = 1. - smoothstep(.012, .03, min(from_edge.x, from_edge.y));
    c *= .9 + .2 * hash(vec3(floor(cell), 1.)) * fade + .08 * noise(world * 20.) * fade;
    return c * (1. - .35 * joint * fade);
}

vec3 house(vec3 c, inout float gloss) {
    vec2 bay = vec2(2.6, 3.0), cell = floor(at / bay), f = (at - cell * bay) / bay;
    float street_level = step(at.y, 3.0);
    c *= .92 + .12 * noise(world * vec3(3., 3., 6.));
    c *= 1. - .25 * band(at.y - 3.05, .08, .02);
    vec2 half_size = mix(vec2(.22, .27), vec2(.36, .36), street_level), middle = vec2(.5, mix(.52, .42, street_level));
    vec2 q = abs(f - middle) - half_size;
    float inside = smoothstep(.01, -.01, max(q.x, q.y)), frame = smoothstep(.045, .03, max(q.x, q.y));
    float pick = hash(vec3(cell, 3.));
    vec3 glass = mix(vec3(.1, .13, .17), vec3(.42, .48, .55), pick * (.5 + .5 * f.y));
    if (street_level > .5 && pick > .75) glass = vec3(.24, .15, .1) * (1. + .3 * step(.5, fract(f.x * 4.)));
    float bars = max(band(f.x - .5, .012, .005), band(f.y - .62, .012, .005));
    c = mix(c, vec3(.8, .79, .76), frame * (1. - inside));
    gloss = inside * .25;
    return mix(c, mix(glass, vec3(.75), bars * (1. - street_level)), inside);
}

float shadows() {
    float dark = 0.;
    for (int i = 0; i < 16; i++) {
        vec2 p = world.xy - feet[i].xy;
        float along = clamp(dot(p, shadow_to) / dot(shadow_to, shadow_to), 0., 1.);
        float body = smoothstep(1.25, .5, length(p - along * shadow_to) / feet[i].z) * .38;
        float contact = smoothstep(1.6, .2, length(p) / feet[i].z) * .45;
        dark = max(dark, feet[i].w * max(body, contact));
    }
    return dark;
}

void main() {
    vec3 n = normalize(view_normal), c = ink.rgb;
    float gloss = 0., fade = 1. / (1. + .004 * dot(view, view));
    if (ink.a < .5) c *= .93 + .14 * noise(world * 14.);
    else if (ink.a < 1.5) c = asphalt(c, fade);
    else if (ink.a < 2.5) c = paving(c, fade);
    else if (ink.a < 3.5) c = house(c, gloss);
    else {
        float leaf = noise(world * 16.), clump = noise(world * 5.);
        c *= .45 + .5 * clump + .45 * leaf * fade;
        n = normalize(n + .9 * (vec3(leaf, clump, noise(world * 11.)) - .5));
    }
    if (world.z < .2) c *= 1. - shadows();
    colour_out = vec4(shade(c, n, view, gloss, 40.), 1.);
    id_out = vec4(0., 0., 0., 1.);
}
