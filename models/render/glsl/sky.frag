// A summer sky with a few soft clouds, fixed to the world.
in vec2 clip;
layout(location = 0) out vec4 colour_out;
layout(location = 1) out vec4 id_out;
uniform vec3 zenith;

void main() {
    vec3 ray = normalize(vec3((clip.x - centre.x) / lens.x, -(clip.y - centre.y) / lens.y, 1.));
    vec3 up = transpose(mat3(to_camera)) * ray;
    float height = max(up.z, 0.);
    vec3 c = mix(haze.rgb, zenith, 1. - exp(-4. * height));
    vec2 p = up.xy / (height + .12);
    float cloud = noise(vec3(p * 1.6, 1.)) * .55 + noise(vec3(p * 3.7, 5.)) * .3 + noise(vec3(p * 8., 9.)) * .15;
    c = mix(c, vec3(.96, .96, .97), smoothstep(.5, .8, cloud) * .8 * smoothstep(.0, .2, height));
    colour_out = vec4(c, 1.);
    id_out = vec4(0., 0., 0., 1.);
}
