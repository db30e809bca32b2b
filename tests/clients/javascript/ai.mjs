// ai with its providers: each speaks a dialect of its own

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import { ANSWERS, CALL_BOTH, CALL_ONE, PNG, SCHEMA, TOOLS } from "./given.mjs";

const PROVIDERS = {
  anthropic: (url, key, model) => createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
  google: (url, key, model) => createGoogle({ baseURL: `${url}/v1beta`, apiKey: key })(model),
  openai: (url, key, model) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key })(model),
  chat: (url, key, model) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model),
};
// the daemon stores no items that the second step could name
const UNSTORED = { openai: { store: false } };
const THINKING = {
  anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } },
  google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } },
  openai: { ...UNSTORED.openai, reasoningEffort: "low", reasoningSummary: "auto", forceReasoning: true },
};

const tools = (execute) =>
  Object.fromEntries(
    TOOLS.map(({ name, description, schema }) => [
      name,
      tool({ description, inputSchema: jsonSchema(schema), ...(execute && { execute: () => ANSWERS[name] }) }),
    ]),
  );

const tell = (step) => ({
  text: step.text,
  thought: step.reasoningText ?? "",
  calls: step.toolCalls.map((c) => ({ name: c.toolName, args: c.input })),
  stop: step.finishReason,
  model: step.response.modelId,
  usage: {
    input: step.usage.inputTokens,
    output: step.usage.outputTokens,
    thinking: step.usage.outputTokenDetails.reasoningTokens,
  },
});

export default ({ url, key, model: name, provider }) => {
  const model = PROVIDERS[provider](url, key, name);
  const ask = (fields) => generateText({ model, maxRetries: 0, ...fields });
  const stream = async (fields) => {
    let failed;
    const running = streamText({ model, maxRetries: 0, onError: ({ error }) => (failed = error), ...fields });
    let pieces = 0;
    for await (const _ of running.textStream) pieces++;
    if (failed) throw failed;
    return { steps: await running.steps, pieces };
  };
  const round = (steps) => ({ first: tell(steps[0]), second: tell(steps[1]) });
  const loop = { prompt: CALL_BOTH, tools: tools(true), stopWhen: stepCountIs(2) };

  return {
    plain: async () => tell(await ask({ system: "Be brief.", prompt: "Hello" })),
    stream: async () => {
      const { steps, pieces } = await stream({ prompt: "Hello" });
      return { ...tell(steps[0]), pieces };
    },
    tools: async () => tell(await ask({ prompt: CALL_ONE, tools: tools(false) })),
    parallel: async () => tell((await stream({ prompt: CALL_BOTH, tools: tools(false) })).steps[0]),
    results: async () => round((await ask({ ...loop, providerOptions: UNSTORED })).steps),
    stored: async () => round((await ask(loop)).steps),
    thinking: async () => round((await stream({ ...loop, providerOptions: THINKING })).steps),
    image: async () => {
      const content = [
        { type: "text", text: "What is it?" },
        { type: "file", mediaType: "image/png", data: PNG },
      ];
      return tell(await ask({ messages: [{ role: "user", content }] }));
    },
    schema: async () => tell(await ask({ prompt: "Go", output: Output.object({ schema: jsonSchema(SCHEMA) }) })),
  };
};
