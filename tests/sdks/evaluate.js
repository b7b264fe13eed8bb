// Local evaluation by Mixpanel's Node SDK: {flags, calls: [[flag, context], ...]} on standard input, variant keys on standard output.
const Provider = require("mixpanel/lib/flags/local_flags");
const { flags, calls } = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const provider = new Provider("token", { enable_polling: false }, () => {}, quiet);
const answers = calls.map(([which, context]) => {
  provider.flagDefinitions = new Map([[flags[which].key, flags[which]]]);
  const found = provider.getVariant(flags[which].key, { variant_value: null }, context, false);
  return found.variant_key === undefined ? null : found.variant_key;
});
process.stdout.write(JSON.stringify(answers));
