"""`headway bench`: how long networks and the whole pipeline take on this machine."""
