// @google/genai

import { GoogleGenAI } from "@google/genai";
import { ANSWERS, CALL_BOTH, CALL_ONE, PNG, SCHEMA, TOOLS } from "./given.mjs";

const tools = [
  {
    functionDeclarations: TOOLS.map(({ name, description, schema }) => ({
      name,
      description,
      parametersJsonSchema: schema,
    })),
  },
];
const user = (...parts) => ({ role: "user", parts });

const tell = (answers) => {
  const parts = answers.flatMap((a) => a.candidates?.[0]?.content?.parts ?? []);
  const last = answers.at(-1);
  const { promptTokenCount, candidatesTokenCount, thoughtsTokenCount = 0 } = last.usageMetadata;
  return {
    text: parts.filter((p) => p.text && !p.thought).map((p) => p.text).join(""),
    thought: parts.filter((p) => p.thought).map((p) => p.text).join(""),
    calls: parts.filter((p) => p.functionCall).map((p) => ({ name: p.functionCall.name, args: p.functionCall.args })),
    stop: last.candidates?.[0]?.finishReason,
    model: last.modelVersion,
    usage: { input: promptTokenCount, output: candidatesTokenCount + thoughtsTokenCount, thinking: thoughtsTokenCount },
  };
};

export default ({ url, key, model }) => {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
  const ask = async (contents, config = {}) => [await client.models.generateContent({ model, contents, config })];
  const stream = async (contents, config = {}) => {
    const chunks = [];
    for await (const c of await client.models.generateContentStream({ model, contents, config })) chunks.push(c);
    return chunks;
  };
  const round = async (config, answer) => {
    const question = user({ text: CALL_BOTH });
    const first = await answer([question], config);
    // as its own chats keep it: a content for each chunk, unchanged
    const said = first.map((a) => a.candidates[0].content).filter((c) => c?.parts?.length);
    const results = first
      .flatMap((a) => a.functionCalls ?? [])
      .map(({ name, id }) => ({ functionResponse: { name, id, response: { output: ANSWERS[name] } } }));
    return { first: tell(first), second: tell(await answer([question, ...said, user(...results)], config)) };
  };

  return {
    plain: async () => tell(await ask("Hello", { systemInstruction: "Be brief." })),
    stream: async () => {
      const chunks = await stream("Hello");
      return { ...tell(chunks), pieces: chunks.length };
    },
    tools: async () => tell(await ask(CALL_ONE, { tools })),
    parallel: async () => tell(await stream(CALL_BOTH, { tools })),
    results: () => round({ tools }, ask),
    thinking: () => round({ tools, thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } }, stream),
    image: async () =>
      tell(await ask(user({ text: "What is it?" }, { inlineData: { mimeType: "image/png", data: PNG } }))),
    schema: async () => tell(await ask("Go", { responseMimeType: "application/json", responseJsonSchema: SCHEMA })),
  };
};
