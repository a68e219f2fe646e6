"""The parts of one gateway, each put together by one module; `gateway.app` says in which order."""
