// The server: its token, what it runs, and what it finds --------------------------------------

const LOWEST_CONF = 0.05;  // asked for, so that the slider can show more without another run
const RETRIES = 8;
const wait = (seconds) => new Promise((done) => { setTimeout(done, 1000 * seconds); });

// The token came behind # in the address. It is kept for this tab only, and taken out of sight.
const tokenOfAddress = new URLSearchParams(location.hash.slice(1)).get("token");
if (tokenOfAddress) {
  sessionStorage.setItem("token", tokenOfAddress);
  history.replaceState(null, "", location.pathname);
}

async function call(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  try {
    return await fetch(path, { ...options, headers });
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
}

async function reason(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `the server answered ${response.status}`;
  }
}

// What is on a picture: the entry of the JSON list. Waits where the server is busy.
async function detect(blob, name) {
  const conf = Math.min(LOWEST_CONF, model.conf);
  for (let attempt = 0; ; attempt += 1) {
    const response = await call(`v1/detect?conf=${conf}`, { method: "POST", body: blob });
    if (response.ok) return { ...(await response.json())[0], source: name };
    const busy = response.status === 429 || response.status === 503;
    if (!busy || attempt === RETRIES) {
      throw new Error((await reason(response)).replace(/^picture: /, ""));
    }
    await wait(Math.min(10, Number(response.headers.get("Retry-After")) || 1));
  }
}

let model = null;  // what /v1/model says
