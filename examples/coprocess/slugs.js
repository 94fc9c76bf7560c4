// Answers {"title": …} with a short name for an address.
const lines = require("readline").createInterface({ input: process.stdin });
const answer = (message) => process.stdout.write(JSON.stringify(message) + "\n");
let count = 0;

lines.on("line", async (line) => {
  const { event, headers } = JSON.parse(line);
  try {
    answer({ result: await handler(event, headers) });
  } catch (error) {
    const stackTrace = error.stack.split("\n").slice(1);
    answer({ error: { errorType: error.name, errorMessage: error.message, stackTrace } });
  }
});

async function handler(event) {
  count += 1;
  console.error(`event ${count} of process ${process.pid}`); // standard error is the log
  const plain = event.title.normalize("NFD").replace(/[^\w ]/g, "");
  return { slug: plain.trim().toLowerCase().replace(/ +/g, "-"), count };
}
