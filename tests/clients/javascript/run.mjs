// One case of one client: `node run.mjs CLIENT CASE`. Prints what the client made of it as JSON, an exception too:
// {text, thought, calls: [{name, args}], stop, model, usage: {input, output, thinking}}, and `pieces` of a stream;
// {first, second} of two steps; {error, status, message}.
// CLIENT is a module beside this one, with a provider after a dash if it has several: `openai-chat`, `ai-google`.

const { URL: url, KEY: key, MODEL: model } = process.env;
const [client, name] = process.argv.slice(2);
const [module, provider] = client.split("-");
const { default: cases } = await import(`./${module}.mjs`);

let told;
try {
  told = await cases({ url, key, model, provider })[name]();
} catch (e) {
  const error = e.errors?.at(-1) ?? e; // what retried wraps
  told = { error: error.constructor.name, status: error.status ?? error.statusCode ?? null, message: error.message };
}
console.log(JSON.stringify(told));
