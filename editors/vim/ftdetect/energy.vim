autocmd BufRead,BufNewFile *.energy setfiletype energy
