// One directional light, a hemisphere of ambient light, an optional haze with distance.
uniform vec3 light_direction, light_colour, ambient_sky, ambient_ground;
uniform vec4 haze;         // colour, density per metre

vec3 shade(vec3 colour, vec3 normal, vec3 position, float gloss, float shininess) {
    if (dot(normal, position) > 0.) normal = -normal;
    float facing = dot(normal, light_direction);
    float diffuse = mix(max(facing, 0.), max((facing + .4) / 1.4, 0.), .5);
    vec3 ambient = mix(ambient_ground, ambient_sky, .5 - .5 * normal.y);
    vec3 half_way = normalize(light_direction - normalize(position));
    vec3 lit = colour * (ambient + light_colour * diffuse) + light_colour * gloss * pow(max(dot(normal, half_way), 0.), shininess);
    return mix(lit, haze.rgb, 1. - exp(-haze.a * length(position)));
}
