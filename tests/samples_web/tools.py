"""An MCP server over HTTP: once without sessions, once with sessions and answers in JSON."""

try:
    from mcp.server import MCPServer
except ImportError:  # mcp 1
    from mcp.server.fastmcp import FastMCP as MCPServer


def served(**options):
    server = MCPServer("tools")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    return server.streamable_http_app(**options)


stateless = served(stateless_http=True)
stateful = served(json_response=True)
