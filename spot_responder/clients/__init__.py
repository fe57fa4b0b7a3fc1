"""The only rooms that import Azure's SDKs. They open the doors of ``spot_responder.responder.ports``."""
