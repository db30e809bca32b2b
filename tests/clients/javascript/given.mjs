// What every client asks with.

export const CALL_ONE = "call get_weather";
export const CALL_BOTH = "call get_weather and get_time";
export const ANSWERS = { get_weather: "4 C", get_time: "noon" };

export const PNG = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(20)]).toString("base64");

// as agents write them: more keywords than upstream takes
export const TOOLS = [
  {
    name: "get_weather",
    description: "Weather now",
    schema: {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: {
        city: { type: "string", minLength: 1 },
        days: { type: ["integer", "null"], exclusiveMinimum: 0 },
        unit: { anyOf: [{ const: "C" }, { const: "F" }] },
      },
      required: ["city", "days", "unit"],
      additionalProperties: false,
    },
  },
  { name: "get_time", description: "Time now", schema: { type: "object", properties: {}, additionalProperties: false } },
];

export const SCHEMA = {
  type: "object",
  properties: { n: { type: "integer" }, tags: { type: "array", items: { type: "string", enum: ["a", "b"] } } },
  required: ["n", "tags"],
  additionalProperties: false,
};
