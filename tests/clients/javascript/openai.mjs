// openai: chat completions and responses

import OpenAI from "openai";
import { ANSWERS, CALL_BOTH, CALL_ONE, PNG, SCHEMA, TOOLS } from "./given.mjs";

const user = (content) => ({ role: "user", content });
const FORMAT = { name: "it", strict: true, schema: SCHEMA };

const chat = (client, model) => {
  const tools = TOOLS.map(({ name, description, schema }) => ({
    type: "function",
    function: { name, description, parameters: schema, strict: true },
  }));
  const tell = ({ choices: [{ message, finish_reason }], model, usage }) => ({
    text: message.content ?? "",
    thought: message.reasoning_content ?? "",
    calls: (message.tool_calls ?? []).map((c) => ({ name: c.function.name, args: JSON.parse(c.function.arguments) })),
    stop: finish_reason,
    model,
    usage: {
      input: usage.prompt_tokens,
      output: usage.completion_tokens,
      thinking: usage.completion_tokens_details?.reasoning_tokens,
    },
  });
  const ask = (fields) => client.chat.completions.create({ model, ...fields });
  const stream = async (fields) => {
    const running = client.chat.completions.stream({ model, stream_options: { include_usage: true }, ...fields });
    let pieces = 0;
    running.on("content", () => pieces++);
    return { answer: await running.finalChatCompletion(), pieces };
  };
  const round = async (fields) => {
    const question = user(CALL_BOTH);
    const first = await ask({ ...fields, tools, messages: [question] });
    const message = first.choices[0].message;
    const results = message.tool_calls
      .map((c) => ({ role: "tool", tool_call_id: c.id, content: ANSWERS[c.function.name] }))
      .reverse();
    const second = await ask({ ...fields, tools, messages: [question, message, ...results] });
    return { first: tell(first), second: tell(second) };
  };
  return {
    plain: async () => tell(await ask({ messages: [{ role: "system", content: "Be brief." }, user("Hello")] })),
    stream: async () => {
      const { answer, pieces } = await stream({ messages: [user("Hello")] });
      return { ...tell(answer), pieces };
    },
    tools: async () => tell(await ask({ tools, messages: [user(CALL_ONE)] })),
    parallel: async () => tell((await stream({ tools, messages: [user(CALL_BOTH)] })).answer),
    results: () => round({}),
    thinking: () => round({ reasoning_effort: "low" }),
    image: async () => {
      const image = { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } };
      return tell(await ask({ messages: [user([{ type: "text", text: "What is it?" }, image])] }));
    },
    schema: async () =>
      tell(await ask({ messages: [user("Go")], response_format: { type: "json_schema", json_schema: FORMAT } })),
  };
};

const responses = (client, model) => {
  const tools = TOOLS.map(({ name, description, schema }) => ({
    type: "function",
    name,
    description,
    parameters: schema,
    strict: true,
  }));
  const tell = (answer) => ({
    text: answer.output_text,
    thought: answer.output
      .filter((i) => i.type === "reasoning")
      .flatMap((i) => i.summary.map((s) => s.text))
      .join(""),
    calls: answer.output
      .filter((i) => i.type === "function_call")
      .map((i) => ({ name: i.name, args: JSON.parse(i.arguments) })),
    stop: answer.incomplete_details?.reason ?? answer.status,
    message: answer.error?.message, // a failure that the package doesn't raise
    model: answer.model,
    usage: answer.usage && {
      input: answer.usage.input_tokens,
      output: answer.usage.output_tokens,
      thinking: answer.usage.output_tokens_details.reasoning_tokens,
    },
  });
  const ask = (fields) => client.responses.create({ model, store: false, ...fields });
  const stream = async (fields) => {
    const running = client.responses.stream({ model, store: false, ...fields });
    let pieces = 0;
    running.on("response.output_text.delta", () => pieces++);
    return { answer: await running.finalResponse(), pieces };
  };
  const round = async (fields, answer) => {
    const question = user(CALL_BOTH);
    const first = await answer({ ...fields, tools, input: [question] });
    const results = first.output
      .filter((i) => i.type === "function_call")
      .map((i) => ({ type: "function_call_output", call_id: i.call_id, output: ANSWERS[i.name] }))
      .reverse();
    const second = await answer({ ...fields, tools, input: [question, ...first.output, ...results] });
    return { first: tell(first), second: tell(second) };
  };
  return {
    plain: async () => tell(await ask({ instructions: "Be brief.", input: "Hello" })),
    stream: async () => {
      const { answer, pieces } = await stream({ input: "Hello" });
      return { ...tell(answer), pieces };
    },
    tools: async () => tell(await ask({ tools, input: CALL_ONE })),
    parallel: async () => tell((await stream({ tools, input: CALL_BOTH })).answer),
    results: () => round({}, ask),
    thinking: () =>
      round(
        { reasoning: { effort: "low", summary: "auto" }, include: ["reasoning.encrypted_content"] },
        async (fields) => (await stream(fields)).answer,
      ),
    image: async () => {
      const image = { type: "input_image", image_url: `data:image/png;base64,${PNG}`, detail: "auto" };
      return tell(await ask({ input: [user([{ type: "input_text", text: "What is it?" }, image])] }));
    },
    schema: async () => tell(await ask({ input: "Go", text: { format: { type: "json_schema", ...FORMAT } } })),
  };
};

export default ({ url, key, model, provider }) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
  return { chat, responses }[provider](client, model);
};
