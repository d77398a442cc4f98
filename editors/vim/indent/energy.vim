" Indentation of energydsl models, made by editors/make.py from the tables of the language.
if exists("b:did_indent")
  finish
endif
let b:did_indent = 1
setlocal indentexpr=EnergyIndent(v:lnum) indentkeys=o,O,*<Return>,0=model,0=dim,0=const,0=visible,0=hidden,0=input,0=param,0=graph,0=layers,0=let,0=energy,0=recognition,0=schedule,0=augment,0=marginalise,0=import,0=use
let b:undo_indent = "setlocal indentexpr< indentkeys<"

if exists("*EnergyIndent")
  finish
endif

function! EnergyIndent(line)
  let before = prevnonblank(a:line - 1)
  if before == 0 || getline(a:line) =~# '^\s*\%(#\|model\>\|dim\>\|const\>\|visible\>\|hidden\>\|input\>\|param\>\|graph\>\|layers\>\|let\>\|energy\>\|recognition\>\|schedule\>\|augment\>\|marginalise\>\|import\>\|use\>\)'
    return 0
  endif
  let text = substitute(getline(before), '\s*#.*$', '', '')
  let open = count(text, '(') + count(text, '[') > count(text, ')') + count(text, ']')
  if open || text =~# '\%([-+*/@^=,&|:<]\|--\)$'
    return indent(before) > 0 ? indent(before) : shiftwidth()
  endif
  return getline(a:line) =~# '^\s*[-+*/@,&|)]' || getline(a:line) =~# '^\s*\]' ? shiftwidth() : 0
endfunction
