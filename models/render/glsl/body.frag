// Skin, face and clothes from rest coordinates: no textures. Target 1: person, part (1 head, .5 the rest).
in vec3 view, view_normal, skin_at, area;
layout(location = 0) out vec4 colour_out;
layout(location = 1) out vec4 id_out;
uniform float person, gloss, v_neck, mask_on;
uniform vec4 shirt;
uniform vec2 trousers;
uniform vec4 hair_shape;
uniform vec4 hairline;     // z at the forehead, temple, nape; widow's peak
uniform vec3 skin, hair, cloth_a, cloth_b, cloth_c, trouser_colour, iris, lips, shoe;
uniform vec4 face;         // blush, brow strength, beard, stubble height
uniform vec4 brow;         // height offset, thickness, tilt, pore strength
uniform float glasses;     // 0 none, 1 clear, 2 dark
uniform vec2 pattern;      // kind 0..5, frequency
uniform float open_front;

float sq(float x) { return x * x; }  // pow of a negative base is undefined

vec3 cloth(vec3 r) {
    float t = 0.;
    vec3 q = r * pattern.y;
    if (pattern.x < 1.) t = 0.;
    else if (pattern.x < 2.) t = step(.5, fract(q.z));
    else if (pattern.x < 3.) t = step(.5, fract(q.x));
    else if (pattern.x < 4.) t = .5 * step(.5, fract(q.x)) + .5 * step(.5, fract(q.z));
    else if (pattern.x < 5.) t = step(.55, noise(q * 1.5));
    else t = smoothstep(.3, .7, noise(q * .4));
    return mix(cloth_a, cloth_b, t);
}

vec3 tilt(vec3 n, float amount, float a, float b, float c) { return normalize(n + amount * (vec3(a, b, c) - .5)); }

vec3 eyeball(vec3 r) {
    float d = length(vec2(abs(r.x) - .0301, r.z - .6482));
    vec3 c = vec3(.86, .83, .80) * (1. - .25 * smoothstep(.006, .013, d));
    if (d < .0062) c = iris * (.7 + .6 * smoothstep(.003, .006, d));
    if (d < .0027) c = vec3(.015);
    return c;
}

vec3 face_colour(vec3 r, inout float shine) {
    float f = noise(r * 60. + seed) * .5 + noise(r * 160.) * .5;
    vec3 c = skin * (.88 + .2 * f) * (1. - brow.w * .35 * smoothstep(.55, .8, noise(r * 420. + seed)));
    float ax = abs(r.x), front = smoothstep(-.06, -.1, r.y), hairs = noise(r * vec3(300, 300, 150) + seed);
    c = mix(c, c * vec3(1.08, .85, .82), face.x * front * exp(-(sq(ax - .042) + sq(r.z - .617)) / .0006));
    c = mix(c, c * vec3(1.05, .85, .82), face.x * front * exp(-(ax * ax + sq(r.z - .615)) / .0002));
    float brow_z = .6745 + brow.x - 1.2 * sq(ax - .033) + brow.z * (ax - .033);
    float b = smoothstep(.0055 * brow.y + .002, .0015, abs(r.z - brow_z)) * smoothstep(.009, .014, ax) * smoothstep(.058, .05, ax) * front;
    c = mix(c, hair * .8, b * (.5 + .5 * hairs) * face.y);
    float mouth_z = .5825;
    float lip = smoothstep(1., .75, length(vec2(ax / .026, (r.z - mouth_z) / .0095))) * front;
    c = mix(c, lips, lip * .8);
    c *= 1. - .5 * smoothstep(.0016, .0006, abs(r.z - mouth_z - .0005)) * step(ax, .025) * front;
    float socket = length(vec2(ax - .0301, (r.z - .6482) * 1.3));
    c *= 1. - .3 * smoothstep(.024, .015, socket) * front;
    c *= 1. - .55 * smoothstep(.019, .0165, socket) * smoothstep(.0125, .014, socket) * front;
    c *= 1. - .5 * smoothstep(.005, .002, length(vec2(ax - .0085, r.z - .6035))) * step(r.y, -.115);
    c *= 1. - .25 * smoothstep(.5, .7, noise(r * 110.)) * step(.072, ax) * step(-.06, r.y);
    float beard = smoothstep(.63, .6, r.z + .45 * max(0., -(r.y + .09))) * smoothstep(-.035, -.05, r.y) * smoothstep(.515, .53, r.z);
    beard *= 1. - smoothstep(1.25, 1., length(vec2(ax / .026, (r.z - mouth_z) / .009)));
    beard *= 1. - smoothstep(.02, .0, .615 - r.z) * step(ax, .05) * step(r.y, -.09) * .7;
    c = mix(c, hair * (.6 + .6 * hairs), beard * face.z * (.6 + .4 * hairs));
    shine *= 1. - beard * face.z;
    c = mix(c, hair, smoothstep(hairline.x, hairline.x + .012, r.z) * .6 * step(.001, hair_shape.x));
    if (glasses > .5) {
        vec2 g = vec2(ax - .033, r.z - .645);
        float rim = length(g * vec2(1., 1.15));
        float frame = smoothstep(.0025, .0015, abs(rim - .022)) * step(r.y, -.085) + step(abs(r.z - .652), .0025) * step(.05, ax) * step(r.y, -.04);
        c = mix(c, cloth_c * .3, clamp(frame, 0., 1.));
        if (glasses > 1.5 && rim < .022 && r.y < -.085) { c = vec3(.04); shine = .6; }
    }
    if (mask_on > .5 && r.z < .625 - .05 * max(0., ax - .02) && r.z > .535 && r.y < -.06) {
        c = cloth_c * (.85 + .3 * smoothstep(.3, .7, fract(r.z * 90.)));
        shine = 0.;
    }
    return c;
}

void main() {
    vec3 n = normalize(view_normal), r = skin_at, c;
    float shine = 0., part = area.x > .5 ? 1. : .5;
    float neckline = shirt.x - .06 * v_neck * exp(-r.x * r.x / .004) * step(r.y, -.03);
    bool trunk = area.x < .5;
    if (area.y > 1.5) {
        c = mix(vec3(.35, .1, .1), vec3(.8, .78, .72), step(.5815, r.z) * step(r.y, -.1));
    } else if (area.y > .5) {
        c = glasses > 1.5 ? vec3(.04) : eyeball(r);
        shine = .3;
    } else if (trunk && r.z > shirt.y && r.z < neckline && area.z < shirt.z) {
        float w = noise(r * vec3(18, 18, 9) + seed.zxy), w2 = noise(r * 45. + seed);
        c = cloth(r + .02 * (noise(r * 20. + seed) - .5)) * (.7 + .5 * w);
        n = tilt(n, .7, w, w2, noise(r * 25. + seed));
        if (open_front > .0 && abs(r.x) < .035 * open_front * (1. + (r.z - .2)) && r.y < 0.) c = cloth_c;
        c *= 1. - .35 * smoothstep(.012, .004, abs(r.z - neckline));
    } else if (trunk && area.z < .5 && r.z <= shirt.y && r.z > trousers.x) {
        c = trouser_colour * (.75 + .4 * noise(r * 15. + seed));
        n = tilt(n, .5, noise(r * 20. + seed), noise(r * 33. + seed), noise(r * 27. + seed));
    } else if (trunk && r.z < -.79) {
        c = shoe;
    } else {
        shine = gloss;
        c = area.x > .5 ? face_colour(r, shine) : skin * (.88 + .1 * noise(r * 60. + seed) + .1 * noise(r * 160.));
    }
    colour_out = vec4(shade(c, n, view, shine, 24.), 1.);
    id_out = vec4(person, part, 0., 1.);
}
