"""What the window knows, without Qt: each object is fed by `apps.view.feed` and rendered by one panel."""
