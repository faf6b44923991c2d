"""The driving network: image -> steering, throttle, steering bins and novelty."""
