// A graphql-ws client of URL: a query, two subscriptions at once, a goodbye.
const { createClient } = require('graphql-ws');
const WebSocket = require('ws');

const client = createClient({
  url: process.argv[2], webSocketImpl: WebSocket, retryAttempts: 0, lazy: false, keepAlive: 300,
  connectionParams: { token: 'of-the-app' },
  onNonLazyError: (error) => { console.error(error); console.log(JSON.stringify({ failed: String(error.message || error.reason || error) })); process.exit(1); },
});
const say = (what) => console.log(JSON.stringify(what));
const all = (query, variables) => new Promise((resolve, reject) => {
  const results = [];
  client.subscribe({ query, variables }, { next: (r) => results.push(r.data), error: reject, complete: () => resolve(results) });
});
const quiet = (n) => new Promise((resolve) => { client.on('pong', () => { if (--n === 0) resolve(); }); });

client.on('connected', (socket) => say({ protocol: socket.protocol }));
client.on('closed', (event) => { say({ closed: event.code, reason: event.reason }); console.log('done'); process.exit(0); });
(async () => {
  say({ query: await all('query($name: String!) { hello(name: $name) }', { name: '☃' }) });
  const counts = await Promise.all([500, 300].map((from) => all('subscription($from: Int!) { countdown(from: $from) }', { from })));
  say({ counts: counts.map((c) => c.length), last: counts.map((c) => c[c.length - 1]) });
  await quiet(2);
  await client.dispose();
})();
