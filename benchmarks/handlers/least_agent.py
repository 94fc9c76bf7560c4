"""The least that an agent of Amazon Bedrock AgentCore does: it returns its payload."""

from bedrock_agentcore import BedrockAgentCoreApp

app = BedrockAgentCoreApp()


@app.entrypoint
def invoke(payload: object) -> object:
    return payload
