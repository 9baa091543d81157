"""The pages: server-rendered, French first, whole without a script."""
