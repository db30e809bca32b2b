// The golden answers as the JavaScript packages read them: `node goldens.mjs <directory of goldens>`.
// The ai packages check what they get by zod schemas and throw; the vendors' own are read by their helpers.
import { readFileSync } from "node:fs";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

const directory = process.argv[2];
const golden = (name) => readFileSync(`${directory}/${name}`);
const answering = (name) => async () =>
  new Response(golden(name), {
    status: 200,
    headers: { "content-type": name.endsWith(".sse") ? "text/event-stream" : "application/json" },
  });
const KEY = { apiKey: "k" };

const providers = {
  "anthropic": (fetch) => createAnthropic({ ...KEY, fetch })("claude"),
  "openai-responses": (fetch) => createOpenAI({ ...KEY, fetch })("gpt"),
  "openai-chat": (fetch) => createOpenAI({ ...KEY, fetch }).chat("gpt"),
  "gemini": (fetch) => createGoogleGenerativeAI({ ...KEY, fetch })("gemini"),
};

const told = {};
for (const [dialect, model] of Object.entries(providers)) {
  for (const [file, stream] of [[`golden-a.${dialect}.json`, false], [`golden-a.${dialect}.sse`, true]]) {
    if (dialect === "gemini" && !stream) continue; // upstream's own
    const asked = { model: model(answering(file)), prompt: "x", maxRetries: 0 };
    let answer;
    if (stream) {
      const errors = [];
      const result = streamText({ ...asked, onError: ({ error }) => errors.push(error) });
      answer = { text: await result.text, calls: await result.toolCalls };
      if (errors.length) throw errors[0];
    } else {
      const result = await generateText(asked);
      answer = { text: result.text, calls: result.toolCalls };
    }
    told[file] = { text: answer.text, calls: answer.calls.map((call) => call.toolName) };
  }
}

const anthropic = (file) => new Anthropic({ ...KEY, fetch: answering(file), maxRetries: 0 }).messages;
const question = { model: "m", max_tokens: 10, messages: [{ role: "user", content: "x" }] };
const message = await anthropic("golden-a.anthropic.json").create(question);
told["anthropic sdk"] = message.content.map((block) => block.type);
const final = await anthropic("golden-a.anthropic.sse").stream(question).finalMessage();
told["anthropic sdk, streamed"] = final.content.map((block) => block.type);
const openai = (file) => new OpenAI({ ...KEY, fetch: answering(file), maxRetries: 0 });
const response = await openai("golden-a.openai-responses.json").responses.create({ model: "m", input: "x" });
told["openai sdk"] = response.output.map((item) => item.type);
const whole = await openai("golden-a.openai-responses.sse").responses.stream({ model: "m", input: "x" }).finalResponse();
told["openai sdk, streamed"] = whole.output.map((item) => item.type);
console.log(JSON.stringify(told));
