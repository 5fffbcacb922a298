"""The names of attributes that are read, in every dialect: one list each, the first that is there wins."""

from __future__ import annotations

OPERATION = "gen_ai.operation.name"
AGENT = ("gen_ai.agent.name", "agent.name", "agent_name")
WORKFLOW = ("traceloop.workflow.name", "gen_ai.workflow.name")
MODEL = (
    "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "embedding.model_name", "langfuse.observation.model.name",
    "llm.response.model", "llm.request.model", "ai.response.model", "ai.model.id",
)  # fmt: skip
PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")
RESPONSE = ("gen_ai.response.id", "llm.response.id", "ai.response.id")

# Tokens read, cached ones included; those from a cache; those written into one; those the model wrote.
TOKENS_IN = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt", "llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens", "gen_ai.aggregated_usage.input_tokens")
TOKENS_CACHED = (
    "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.details.cache_read_tokens", "llm.token_count.prompt_details.cache_read",
    "ai.usage.cachedInputTokens", "gen_ai.aggregated_usage.cache_read.input_tokens",
)  # fmt: skip
TOKENS_KEPT = (
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.details.cache_write_tokens",
    "llm.token_count.prompt_details.cache_write", "gen_ai.aggregated_usage.cache_creation.input_tokens", "gen_ai.aggregated_usage.cache_write.input_tokens",
)  # fmt: skip
TOKENS_OUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion", "llm.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens", "gen_ai.aggregated_usage.output_tokens")
USAGE_JSON = ("langfuse.observation.usage_details",)
COST = ("gen_ai.usage.cost", "operation.cost", "llm.cost.total", "gen_ai.usage.total_cost", "gen_ai.cost.total_cost")
COST_JSON = ("langfuse.observation.cost_details",)

KIND_OF_OPERATION = {
    "chat": "model", "text_completion": "model", "completion": "model", "generate_content": "model", "embeddings": "model", "embedding": "model", "responses": "model", "rerank": "model",
    "invoke_agent": "agent", "invoke_workflow": "chain", "execute_tool": "tool", "retrieval": "retrieval", "create_agent": "step",
}  # fmt: skip
KIND_OF_OPENINFERENCE = {
    "LLM": "model", "EMBEDDING": "model", "AGENT": "agent", "CHAIN": "chain", "TOOL": "tool", "RETRIEVER": "retrieval",
    "RERANKER": "step", "GUARDRAIL": "step", "EVALUATOR": "judge", "PROMPT": "step",
}  # fmt: skip
KIND_OF_TRACELOOP = {"workflow": "chain", "agent": "agent", "task": "step", "tool": "tool"}
KIND_OF_LANGFUSE = {
    "generation": "model", "embedding": "model", "agent": "agent", "chain": "chain", "tool": "tool", "retriever": "retrieval", "evaluator": "judge", "guardrail": "step",
}  # fmt: skip
OPENINFERENCE_KIND, TRACELOOP_KIND, LANGFUSE_KIND, LLM_REQUEST = "openinference.span.kind", "traceloop.span.kind", "langfuse.observation.type", "llm.request.type"

TOOL = ("gen_ai.tool.name", "tool.name", "tool_name", "ai.toolCall.name")
ENTITY = "traceloop.entity.name"
ERROR_TYPE = "error.type"
EXCEPTION = ("exception.type", "exception.message")

# Content: read only where the registry lets it be kept.
ANSWER = ("final_result", "traceloop.entity.output", "langfuse.observation.output", "llm.output_messages.0.message.content", "gen_ai.completion.0.content", "ai.response.text")
ANSWER_MESSAGES = "gen_ai.output.messages"
ANSWER_VALUE, ANSWER_TYPE = "output.value", "output.mime_type"

PROMPT_NAME = ("gen_ai.prompt.name", "langfuse.observation.prompt.name", "llm.prompt_template.name", "traceloop.prompt.key")
PROMPT_VERSION = ("gen_ai.prompt.version", "langfuse.observation.prompt.version", "llm.prompt_template.version", "traceloop.prompt.version")
INSTRUCTIONS = ("gen_ai.system_instructions", "llm.prompt_template.template")
INDEX = ("gen_ai.data_source.id", "db.collection.name", "db.vector.collection", "pinecone.index_name")
INDEX_VERSION = ("gen_ai.data_source.version", "db.collection.version")
VERSION = ("service.version", "langfuse.version", "langfuse.release")
STAGE = "aiops.stage"
PENDING = "logfire.span_type"  # "pending_span" stands for a span that has not ended: the real one comes later

EVALUATION = "gen_ai.evaluation.result"
EVALUATION_NAME, EVALUATION_SCORE, EVALUATION_LABEL, EVALUATION_WHY = "gen_ai.evaluation.name", "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label", "gen_ai.evaluation.explanation"
EVALUATION_BY = ("gen_ai.evaluation.evaluator.name", "gen_ai.evaluation.evaluator", "gen_ai.evaluation.source")
ANNOTATIONS = "annotations."  # annotations.<i>.annotation.name and so on

# What a coding agent's metrics and logs say.
CODER = (
    "decision", "source", "tool_name", "tool", "function_name", "model", "event.name", "success", "type", "user.id", "session.id", "gen_ai.token.type", "request_id", "event.sequence", "event.timestamp",
    "cost_usd", "input_tokens", "output_tokens", "cache_read_tokens",  # Claude Code
    "input_token_count", "output_token_count", "cached_token_count", "call_id", "conversation.id",  # Codex
    "cached_content_token_count", "thoughts_token_count", "prompt_id",  # Gemini CLI, beside Codex's
)  # fmt: skip

READ = frozenset(
    [
        OPERATION, OPENINFERENCE_KIND, TRACELOOP_KIND, LANGFUSE_KIND, LLM_REQUEST, ENTITY, ERROR_TYPE, ANSWER_MESSAGES, ANSWER_VALUE, ANSWER_TYPE, STAGE, PENDING,
        EVALUATION_NAME, EVALUATION_SCORE, EVALUATION_LABEL, EVALUATION_WHY, "service.name", "service.instance.id", "gen_ai.conversation.id",
        *AGENT, *WORKFLOW, *MODEL, *PROVIDER, *RESPONSE, *TOKENS_IN, *TOKENS_CACHED, *TOKENS_KEPT, *TOKENS_OUT, *USAGE_JSON, *COST, *COST_JSON, *TOOL, *EXCEPTION, *ANSWER,
        *PROMPT_NAME, *PROMPT_VERSION, *INSTRUCTIONS, *INDEX, *INDEX_VERSION, *VERSION, *EVALUATION_BY, *CODER,
    ]
)  # fmt: skip
EVENTS_READ = frozenset(["exception", EVALUATION])
