// A card in the browser. Its news come through the hub, which knows all cards of the notebook.

function initialize({ model }) {
  let leave = null;
  let gone = false;
  const card = {
    key: model.get("key"),
    run: model.get("run"),
    version: model.get("version"),
    html: model.get("html"),
    pictures: model.get("pictures"),
    tell: ({ html, pictures }) => {
      model.set("pictures", pictures); // here alone: the kernel knows it
      model.set("html", html);
    },
  };
  void hubOf(model).then((hub) => {
    if (!gone) leave = hub.join(model.get("name"), card);
  });
  return () => {
    gone = true;
    leave?.();
  };
}

// Some front ends make a model not before somebody asks for it; where none comes, the card stays as it is.
function hubOf(model) {
  const name = model.get("hub");
  model.widget_manager?.get_model?.(name)?.catch?.(() => {});
  return hubNamed(name).promise;
}

function render({ model, el }) {
  const live = mount(el, model.get("hub"), (message) => model.send(message));
  const update = () => live.show(model.get("html"), model.get("pictures"));
  model.on("change:html", update);
  update();
  return () => {
    model.off("change:html", update);
    live.close();
  };
}

export default { initialize, render };
