// Body, clothes (pushed out along the normal) and, when shells > 0, one hair shell per instance.
in vec3 position, normal, rest, region;   // region: head, eye/mouth code, arm position
out vec3 view, view_normal, skin_at, area;
out float shell;
uniform float shells;
uniform vec4 shirt;        // neckline z, hem z, sleeve end (arm position), thickness
uniform vec2 trousers;     // lower end z, thickness
uniform float v_neck;      // depth of the V, 0 for a round neckline
uniform vec4 hair_shape;   // thickness, more on top, more at the front, lump frequency
uniform float hair_fall;   // how far the outer shell sinks
uniform float mask_on;

float neckline(vec3 r) { return shirt.x - .06 * v_neck * exp(-r.x * r.x / .004) * step(r.y, -.03); }

void main() {
    skin_at = rest;
    area = region;
    shell = 0.;
    vec3 p = position;
    if (shells < .5) {
        bool trunk = region.x < .5;
        if (trunk && rest.z > shirt.y && rest.z < neckline(rest) && region.z < shirt.z) {
            float edge = smoothstep(.02, 0., abs(rest.z - neckline(rest)));
            p += normal * (shirt.w * (.4 + 1.2 * noise(rest * 14. + seed)) + .006 * edge);
        } else if (trunk && region.z < .5 && rest.z <= shirt.y && rest.z > trousers.x) {
            p += normal * (trousers.y + .02 * noise(rest * 9. + seed));
        } else if (mask_on > .5 && region.x > .5 && rest.z < .625 && rest.z > .535 && rest.y < -.06) {
            p += normal * .006;
        }
    } else {
        shell = (float(gl_InstanceID) + 1.) / shells;
        float top = smoothstep(.66, .75, rest.z), front = smoothstep(-.02, -.1, rest.y);
        float nape = smoothstep(.55, .63, rest.z);
        float thick = hair_shape.x * (1. + hair_shape.y * top + hair_shape.z * front * top) * (.6 + .8 * noise(rest * hair_shape.w + seed)) * (.35 + .65 * nape);
        p += normal * (thick * shell + .0015);
        p.z -= hair_fall * shell * shell * hair_shape.x;
    }
    view_normal = normalize(mat3(to_camera) * normal);
    view = (to_camera * vec4(p, 1.)).xyz;
    gl_Position = project(view);
}
