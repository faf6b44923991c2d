"""What a run showed: read from its bags, written as summary.json, report.html and annotated.mp4."""
