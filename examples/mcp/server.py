from mcp.server import MCPServer

server = MCPServer("weather")


@server.tool()
def forecast(city: str, days: int = 1) -> str:
    """The forecast for a city."""
    return f"{city}: sun for {days} days"


server.run()
