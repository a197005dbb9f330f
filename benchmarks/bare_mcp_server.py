"""The floor for our MCP server: the SDK's, with one tool that does nothing. With ``def`` the tool runs on a thread."""

import sys

from mcp.server.mcpserver import MCPServer

server: MCPServer[None] = MCPServer("bare", log_level="WARNING")

if sys.argv[1:] == ["def"]:

    @server.tool(structured_output=False)
    def empty() -> str:
        """Do nothing."""
        return ""

else:

    @server.tool(name="empty", structured_output=False)
    async def empty_async() -> str:
        """Do nothing."""
        return ""


if __name__ == "__main__":
    server.run("stdio")
