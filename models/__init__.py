"""The workbench: torch networks, their data, training and rendering. Never imported on the device."""
