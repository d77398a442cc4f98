" Settings for energydsl models.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1
setlocal commentstring=#\ %s comments=:# expandtab shiftwidth=2 iskeyword=@,48-57,_,192-255
let b:undo_ftplugin = "setlocal commentstring< comments< expandtab< shiftwidth< iskeyword<"
