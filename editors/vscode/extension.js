// Starts `energydsl lsp` and connects the editor with it.
const { window, workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function activate() {
  const command = workspace.getConfiguration("energydsl").get("command");
  client = new LanguageClient("energydsl", { command, args: ["lsp"] }, { documentSelector: [{ language: "energy" }] });
  try {
    await client.start();
  } catch (error) {
    const help = 'pip install "energydsl[editor]", or set `energydsl.command` to the path of the command';
    window.showErrorMessage(`energydsl: \`${command} lsp\` does not start (${error.message}). ${help}`);
  }
}

function deactivate() {
  return client?.stop();
}

module.exports = { activate, deactivate };
