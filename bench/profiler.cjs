// Loaded into a profiled server: SIGUSR2 begins a CPU profile, the next one writes it to PROFILE_FILE.
const { writeFileSync } = require('node:fs');
const { Session } = require('node:inspector');

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.setSamplingInterval', { interval: 250 });
let isRunning = false;
process.on('SIGUSR2', () => {
  isRunning = !isRunning;
  if (isRunning) session.post('Profiler.start');
  else session.post('Profiler.stop', (_error, { profile }) => writeFileSync(process.env.PROFILE_FILE, JSON.stringify(profile)));
});
