"""The only package that imports Azure's SDKs. They open the ports of ``spot_responder.responder.ports``."""
