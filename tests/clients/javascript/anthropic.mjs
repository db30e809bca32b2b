// @anthropic-ai/sdk

import Anthropic from "@anthropic-ai/sdk";
import { ANSWERS, CALL_BOTH, CALL_ONE, PNG, SCHEMA, TOOLS } from "./given.mjs";

const tools = TOOLS.map(({ name, description, schema }) => ({ name, description, input_schema: schema }));
const user = (content) => ({ role: "user", content });

const tell = (message) => ({
  text: message.content.filter((b) => b.type === "text").map((b) => b.text).join(""),
  thought: message.content.filter((b) => b.type === "thinking").map((b) => b.thinking).join(""),
  calls: message.content.filter((b) => b.type === "tool_use").map((b) => ({ name: b.name, args: b.input })),
  stop: message.stop_reason,
  model: message.model,
  usage: {
    input: message.usage.input_tokens,
    output: message.usage.output_tokens,
    thinking: message.usage.output_tokens_details?.thinking_tokens,
  },
});

const results = (message) =>
  message.content
    .filter((b) => b.type === "tool_use")
    .reverse()
    .map((b) => ({ type: "tool_result", tool_use_id: b.id, content: ANSWERS[b.name] }));

export default ({ url, key, model }) => {
  const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const body = (fields) => ({ model, max_tokens: 4000, ...fields });
  const ask = (fields) => client.messages.create(body(fields));
  const stream = async (fields) => {
    const running = client.messages.stream(body(fields));
    let pieces = 0;
    running.on("text", () => pieces++);
    return { message: await running.finalMessage(), pieces };
  };
  const round = async (fields, answer) => {
    const question = user(CALL_BOTH);
    const first = await answer({ ...fields, tools, messages: [question] });
    const history = [question, { role: "assistant", content: first.content }, user(results(first))];
    return { first: tell(first), second: tell(await answer({ ...fields, tools, messages: history })) };
  };

  return {
    plain: async () => tell(await ask({ system: "Be brief.", messages: [user("Hello")] })),
    stream: async () => {
      const { message, pieces } = await stream({ messages: [user("Hello")] });
      return { ...tell(message), pieces };
    },
    tools: async () => tell(await ask({ tools, messages: [user(CALL_ONE)] })),
    parallel: async () => tell((await stream({ tools, messages: [user(CALL_BOTH)] })).message),
    results: () => round({}, ask),
    thinking: () =>
      round({ thinking: { type: "enabled", budget_tokens: 1024 } }, async (fields) => (await stream(fields)).message),
    image: async () => {
      const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } };
      return tell(await ask({ messages: [user([image, { type: "text", text: "What is it?" }])] }));
    },
    schema: async () =>
      tell(await ask({ messages: [user("Go")], output_config: { format: { type: "json_schema", schema: SCHEMA } } })),
  };
};
