// node's own fetch at URL: what it understood of the answers.
const [get, post, missing] = process.argv.slice(2);
const say = async (answer) => console.log(JSON.stringify({ status: answer.status, type: answer.headers.get('content-type'),
  agent: answer.headers.get('x-bridge-agent'), body: await answer.text() }));
(async () => {
  await say(await fetch(get, { headers: { 'X-Custom': 'kept' } }));
  await say(await fetch(post, { method: 'POST', body: JSON.stringify({ a: 'grüße' }), headers: { 'Content-Type': 'application/json' } }));
  await say(await fetch(missing));
  console.log('done');
})();
