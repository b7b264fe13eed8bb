// A back end with Mixpanel's Node SDK: evaluates a flag for each unit, which sends exposures, and tracks single events and a batch.
const Mixpanel = require("mixpanel");
const [host, flagsHost, key, count] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warn() {}, error() {}, trace() {} };
(async () => {
  const mixpanel = Mixpanel.init("sandbox-token", {
    host, logger: quiet, verbose: false, keepAlive: false,
    ...(flagsHost ? { local_flags_config: { api_host: flagsHost, enable_polling: false } } : {}),
  });
  const variants = [];
  if (flagsHost) {
    await mixpanel.local_flags.startPollingForDefinitions();
    for (let i = 0; i < Number(count); i++) {
      variants.push(mixpanel.local_flags.getVariantValue(key, null, { distinct_id: `user-${i}` }));
    }
  }
  await new Promise((done) => mixpanel.track("Page View", { distinct_id: "user-1" }, done));
  await new Promise((done) =>
    mixpanel.track_batch([{ event: "A", properties: { distinct_id: "user-1" } }, { event: "B", properties: { distinct_id: "user-2" } }], done));
  await new Promise((done) => mixpanel.people.set("user-1", { plan: "gold" }, done));
  setTimeout(() => { process.stdout.write(JSON.stringify(variants)); process.exit(0); }, 1500);
})();
