"""Who walks where in the two bundled scenes. Tracks are (seconds, s, d) in road coordinates; see road.py."""

from __future__ import annotations

from headway.models.render.walkers import Script

VEHICLE = (
    # waits at the kerb, then crosses from right to left close before the vehicle, looking at it once
    Script([(-1, 10.0, -2.3), (1.6, 10.0, -2.3), (2.4, 10.0, -1.7), (7.4, 10.3, 5.3), (9, 11.6, 6.2), (12, 15, 6.4)],
           facing_deg=90, glances=[(1.0, 3.2), (4.0, 5.4)]),
    # comes along the edge of the lane and is passed at a little more than a metre
    Script([(0, 24.5, -1.2), (9.0, 12.5, -1.2), (10, 11.1, -1.7), (12, 8.4, -2.4)], glances=[(6.6, 9.6)]),
    # comes towards the camera on the right pavement
    Script([(0, 17.5, -2.5), (12, 2.5, -2.6)], glances=[(3.0, 4.6)]),
    # same direction, ahead on the right, seen from behind
    Script([(0, 9.0, -3.4), (12, 22.0, -3.2)]),
    # two together on the left, same direction
    Script([(0, 11.0, 5.8), (12, 25.5, 5.9)]),
    Script([(0, 11.2, 6.6), (12, 25.6, 6.7)], age=0.4),
    # towards the camera on the left
    Script([(0, 25.0, 5.6), (12, 8.5, 5.7)], glances=[(6.5, 9.0)]),
    # crosses ahead from left to right, later than the first and further away
    Script([(0, 25.0, 5.6), (3.5, 20.4, 5.5), (5.0, 19.6, 4.6), (10.2, 19.2, -2.2), (12, 21.0, -3.0)],
           glances=[(7.0, 8.6)]),
    # stands at the wall and watches the street
    Script([(0, 16.5, -4.0)], facing_deg=100, glances=[(4.5, 8.5)], age=0.9),
    # towards the camera on the right, still there at the end
    Script([(0, 33.0, -2.4), (12, 17.0, -2.3)], glances=[(7.5, 10.5)]),
)  # fmt: skip

WALKER = (
    # comes straight towards the camera and steps aside at the last moment
    Script([(0, 15.6, -3.05), (4.6, 9.6, -3.05), (6.0, 7.9, -2.35), (7.5, 6.2, -2.3), (12, 0.6, -2.4)],
           glances=[(3.8, 6.4)]),
    # slower, ahead, overtaken on the right
    Script([(0, 4.2, -3.95), (12, 13.2, -4.1)]),
    # crosses the road, steps on the pavement in front of the camera and goes on ahead
    Script([(0, 9.4, 4.2), (4.8, 11.5, -1.9), (6.0, 12.9, -2.6), (12, 20.5, -2.7)], facing_deg=-90,
           glances=[(2.2, 4.4)]),
    # comes towards the camera later, passes close on the right
    Script([(0, 25.0, -3.7), (12, 8.9, -4.0)], glances=[(6.0, 8.6)]),
    # out of a door and towards the camera on the kerb side
    Script([(-1, 18.5, -4.9), (2.0, 18.5, -4.9), (4.5, 18.0, -2.7), (12, 11.8, -2.3)], facing_deg=90,
           glances=[(7.0, 9.5)]),
    # far ahead, comes towards the camera
    Script([(0, 33.0, -3.4), (12, 17.5, -3.5)], age=0.6),
    # two together on the other side
    Script([(0, 8.0, 5.8), (12, 22.5, 5.9)]),
    Script([(0, 8.3, 6.6), (12, 22.7, 6.7)], age=0.4),
    # stands at the wall and looks up when the camera passes
    Script([(0, 8.8, -4.5)], facing_deg=120, glances=[(2.5, 6.5)], age=0.9),
    # waits at the kerb and crosses away to the left
    Script([(0, 14.0, -2.1), (3.0, 14.0, -2.1), (8.6, 15.0, 5.4), (12, 19.0, 6.0)], facing_deg=70),
)  # fmt: skip
