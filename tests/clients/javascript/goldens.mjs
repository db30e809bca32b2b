// The golden answers as the JavaScript packages read them: `node goldens.mjs <directory of goldens>`, each file named
// <golden>.<dialect>.json or .sse. Prints a line of JSON: what each package of the dialect made of each file.
// The ai packages check what they get by zod schemas and throw; the others are read by their own helpers.
import { readFileSync, readdirSync } from "node:fs";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { ChatAnthropic } from "@langchain/anthropic";
import { ChatGoogleGenerativeAI } from "@langchain/google-genai";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

const KEY = { apiKey: "k", maxRetries: 0 };
const named = (calls) => (calls ?? []).map((call) => call.name);
const joined = (texts) => texts.filter(Boolean).join("");

let answer; // to whatever is asked next
globalThis.fetch = async () => new Response(answer.body, { status: 200, headers: { "content-type": answer.type } });

// each reads one answer, by `streamed`, into {text, calls}
const ai = (model) => async (streamed) => {
  const asked = { model, prompt: "x", maxRetries: 0 };
  const errors = [];
  const result = streamed ? streamText({ ...asked, onError: ({ error }) => errors.push(error) }) : await generateText(asked);
  if (streamed) await result.consumeStream();
  if (errors.length) throw errors[0];
  return { text: await result.text, calls: (await result.toolCalls).map((call) => call.toolName) };
};

const langchain = (model) => async (streamed) => {
  let message;
  if (streamed) {
    for await (const piece of await model.stream("x")) message = message ? message.concat(piece) : piece;
  } else message = await model.invoke("x");
  return { text: message.text, calls: named(message.tool_calls) };
};

const anthropic = async (streamed) => {
  const { messages } = new Anthropic(KEY);
  const asked = { model: "m", max_tokens: 10, messages: [{ role: "user", content: "x" }] };
  const { content } = streamed ? await messages.stream(asked).finalMessage() : await messages.create(asked);
  return {
    text: joined(content.map((block) => block.text)),
    calls: named(content.filter((block) => block.type === "tool_use")),
  };
};

const responses = async (streamed) => {
  const asked = { model: "m", input: "x" };
  const { responses } = new OpenAI(KEY);
  const answer = streamed ? await responses.stream(asked).finalResponse() : await responses.create(asked);
  if (streamed && answer.status === "failed") throw new Error(answer.error.message);
  return { text: answer.output_text, calls: named(answer.output.filter((item) => item.type === "function_call")) };
};

const chat = async (streamed) => {
  const asked = { model: "m", messages: [{ role: "user", content: "x" }] };
  const { completions } = new OpenAI(KEY).chat;
  const answer = streamed ? await completions.stream(asked).finalChatCompletion() : await completions.create(asked);
  const { message } = answer.choices[0];
  return { text: message.content ?? "", calls: named(message.tool_calls?.map((call) => call.function)) };
};

const genai = async (streamed) => {
  const { models } = new GoogleGenAI({ apiKey: "k" });
  const asked = { model: "m", contents: "x" };
  const pieces = [];
  if (streamed) for await (const piece of await models.generateContentStream(asked)) pieces.push(piece);
  else pieces.push(await models.generateContent(asked));
  const parts = pieces.flatMap((piece) => piece.candidates?.[0]?.content?.parts ?? []);
  return {
    text: joined(parts.filter((part) => !part.thought).map((part) => part.text)),
    calls: named(pieces.flatMap((piece) => piece.functionCalls ?? [])),
  };
};

const READERS = {
  "anthropic": {
    "@ai-sdk/anthropic": ai(createAnthropic({ apiKey: "k" })("claude")),
    "@anthropic-ai/sdk": anthropic,
    "@langchain/anthropic": langchain(new ChatAnthropic({ ...KEY, model: "claude-sonnet-4-5" })),
  },
  "openai-responses": {
    "@ai-sdk/openai": ai(createOpenAI({ apiKey: "k" })("gpt")),
    "openai": responses,
    "@langchain/openai": langchain(new ChatOpenAI({ ...KEY, model: "gpt-5", useResponsesApi: true })),
  },
  "openai-chat": {
    "@ai-sdk/openai": ai(createOpenAI({ apiKey: "k" }).chat("gpt")),
    "openai": chat,
    "@langchain/openai": langchain(new ChatOpenAI({ ...KEY, model: "gpt-5", useResponsesApi: false })),
  },
  "gemini": {
    "@ai-sdk/google": ai(createGoogleGenerativeAI({ apiKey: "k" })("gemini")),
    "@google/genai": genai,
    "@langchain/google-genai": langchain(new ChatGoogleGenerativeAI({ ...KEY, model: "gemini-3-flash" })),
  },
};

const directory = process.argv[2];
const told = {};
for (const file of readdirSync(directory).sort()) {
  const [, dialect, form] = file.split(".");
  const streamed = form === "sse";
  answer = {
    body: readFileSync(`${directory}/${file}`),
    type: streamed ? "text/event-stream" : "application/json",
  };
  for (const [name, read] of Object.entries(READERS[dialect])) {
    try {
      (told[file] ??= {})[name] = await read(streamed);
    } catch (e) {
      told[file][name] = { error: `${e.constructor.name}: ${e.message}` };
    }
  }
}
console.log(JSON.stringify(told));
